"""What GitHub answers, as values of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.domain.events import Commit, PullRequest
from bot.errors import PermanentError
from bot.ports.forge import Issue

Json = dict[str, Any]

_SQUASHED = re.compile(r"(.*)\(#(\d+)\)\s*$")
"""GitHub's default title of a squashed pull request."""
_ISSUE = re.compile(r"/([\w.-]+/[\w.-]+)/issues/(\d+)/?$")
_MERGED = re.compile(r"Merge pull request #(\d+) from (\S+)")


def place_of_issue(url: str) -> tuple[str, int]:
    """Repository and number of an issue, by the address that people know it by.

    Raises PermanentError for an address of something else.
    """
    found = _ISSUE.search(url)
    if found is None:
        raise PermanentError(f"{url} is no address of an issue.", "Look after it by hand.")
    return found[1], int(found[2])


def moment(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def commit(one: Json) -> Commit:
    """A commit by the first line of its message."""
    return Commit(
        sha=one["sha"],
        title=_title(one),
        author=_login(one.get("author")) or str(one["commit"]["author"]["name"]),
        url=str(one.get("html_url") or ""),
    )


def _title(one: Json) -> str:
    return str(one["commit"]["message"]).partition("\n")[0].strip()


def told_in_titles(commits: Sequence[Json], comparison: Json) -> dict[int, PullRequest]:
    """Pull requests as the commits' own titles name them."""
    repository = str(comparison["html_url"]).partition("/compare/")[0]
    return {
        number: PullRequest(
            number=number, title=title, author=author, url=f"{repository}/pull/{number}"
        )
        for number, title, author in filter(None, map(_named_pull, commits))
    }


def _named_pull(one: Json) -> tuple[int, str, str] | None:
    title = _title(one)
    if merged := _MERGED.match(title):
        rest = [line.strip() for line in str(one["commit"]["message"]).splitlines()[1:]]
        # The second paragraph is the pull request's title; the branch names its author's fork.
        return int(merged[1]), next(filter(None, rest), title), merged[2].partition("/")[0]
    if squashed := _SQUASHED.match(title):
        return int(squashed[2]), squashed[1].strip(), commit(one).author
    return None


def pull_request(one: Json) -> PullRequest:
    """A pull request with its author, who may have left GitHub."""
    return PullRequest(
        number=one["number"],
        title=str(one["title"]),
        author=_login(one.get("user")),
        url=str(one.get("html_url") or ""),
    )


def _login(account: Mapping[str, Any] | None) -> str:
    """Deleted accounts are null."""
    return str((account or {}).get("login") or "")


def issue(one: Json) -> Issue:
    """An issue with the text by which ours is found again."""
    return Issue(
        url=one["html_url"], body=str(one.get("body") or ""), is_open=one["state"] == "open"
    )
