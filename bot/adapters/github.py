"""GitHub as the forge, by its REST API (version 2022-11-28)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import structlog

from bot.adapters.github_api import PER_PAGE, GitHubApi, as_documented
from bot.config.paperwork import GitHubSettings
from bot.domain.events import Commit, PullRequest
from bot.errors import NotFoundError, PermanentError, RollbackBotError
from bot.ports.forge import Comparison, Draft, Issue, ReleaseNotes
from bot.ports.outside import Secrets

log = structlog.get_logger()

Json = dict[str, Any]

COMMIT_PAGES = 3
"""More commits are counted, not listed."""
PULL_PAGES = 2
"""Pull requests that were updated last; a release's are among them."""
ISSUE_PAGES = 10
_SQUASHED = re.compile(r"(.*)\(#(\d+)\)\s*$")
"""GitHub's default title of a squashed pull request."""
_MERGED = re.compile(r"Merge pull request #(\d+) from (\S+)")


class GitHub:
    """Implements ``bot.ports.forge.Forge``."""

    def __init__(self, secrets: Secrets) -> None:
        self._api = GitHubApi(secrets)

    @as_documented
    async def compare(self, place: GitHubSettings, base: str, head: str) -> Comparison:
        """What ``head`` has and ``base`` has not; see the port.

        Which pull request a commit came with is asked once for all and not once a commit:
        ``merge_commit_sha`` names the commit, however the pull request was merged.
        """
        path = f"/compare/{quote(base, safe='')}...{quote(head, safe='')}"
        found: list[Json] = []
        first: Json = {}
        for page in range(1, COMMIT_PAGES + 1):
            answer = await self._api.get(place, path, _paged(page))
            first = first or answer
            found += answer["commits"]
            if len(found) >= answer["total_commits"] or not answer["commits"]:
                break
        pulls = {**_told_in_titles(found, first), **await self._merged(place, found)}
        return Comparison(
            url=str(first["html_url"]),
            commits=tuple(map(_commit, found)),
            pull_requests=tuple(pulls[number] for number in sorted(pulls)),
            total_commits=int(first["total_commits"]),
        )

    @as_documented
    async def release(self, place: GitHubSettings, tag: str) -> ReleaseNotes:
        """The published release of a tag."""
        answer = await self._api.get(place, f"/releases/tags/{quote(tag, safe='')}")
        return ReleaseNotes(
            id=answer["id"], url=answer["html_url"], body=str(answer.get("body") or "")
        )

    @as_documented
    async def write_release(self, place: GitHubSettings, notes: ReleaseNotes) -> None:
        """Replace the release's text."""
        await self._api.send("PATCH", place, f"/releases/{notes.id}", {"body": notes.body})

    @as_documented
    async def issues(self, place: GitHubSettings, *, since: datetime) -> tuple[Issue, ...]:
        """All issues created since then.

        Listed and not searched: the search knows new issues only after a while.
        """
        found: list[Issue] = []
        order = {"state": "all", "sort": "created", "direction": "desc"}
        for page in range(1, ISSUE_PAGES + 1):
            answer = await self._api.get(place, "/issues", {**order, **_paged(page)})
            young = [one for one in answer if _moment(one["created_at"]) >= since]
            # A pull request is an issue too, for this part of the API.
            found += [_issue(one) for one in young if "pull_request" not in one]
            if len(young) < PER_PAGE:
                return tuple(found)
        raise PermanentError(
            f"{place.repository} has too many new issues to tell which are ours.",
            "File the corrective actions by hand.",
        )

    @as_documented
    async def file(self, place: GitHubSettings, draft: Draft) -> Issue:
        """Create an issue, assigned to those owners who can be."""
        able = await asyncio.gather(*(self._may_own(place, login) for login in draft.owners))
        owners = [login for login, is_able in zip(draft.owners, able, strict=True) if is_able]
        body = {
            "title": draft.title,
            "body": draft.body,
            "assignees": owners,
            "labels": list(draft.labels),
        }
        return _issue(await self._api.send("POST", place, "/issues", body))

    @as_documented
    async def is_closed(self, place: GitHubSettings, url: str) -> bool:
        """Whether an issue that was filed here is closed."""
        number = url.rstrip("/").rpartition("/")[2]
        answer = await self._api.get(place, f"/issues/{quote(number, safe='')}")
        return bool(answer["state"] == "closed")

    async def _may_own(self, place: GitHubSettings, login: str) -> bool:
        """Whether this login can be assigned: one that cannot would refuse the whole issue."""
        try:
            await self._api.get(place, f"/assignees/{quote(login, safe='')}")
        except NotFoundError:
            return False
        return True

    async def _merged(
        self, place: GitHubSettings, commits: Sequence[Json]
    ) -> dict[int, PullRequest]:
        """Merged pull requests whose commit is among these."""
        if not commits:
            return {}
        shas = {str(commit["sha"]) for commit in commits}
        oldest = min(_moment(commit["commit"]["committer"]["date"]) for commit in commits)
        order = {"state": "closed", "sort": "updated", "direction": "desc"}
        found: dict[int, PullRequest] = {}
        try:
            for page in range(1, PULL_PAGES + 1):
                answer = await self._api.get(place, "/pulls", {**order, **_paged(page)})
                found |= {
                    one["number"]: _pull_request(one)
                    for one in answer
                    if one.get("merged_at") and one.get("merge_commit_sha") in shas
                }
                if len(answer) < PER_PAGE or _moment(answer[-1]["updated_at"]) < oldest:
                    break
        except RollbackBotError as error:
            # The commits' titles name most of them.
            log.warning("pull requests not listed", repository=place.repository, error=str(error))
        return found


def _paged(page: int) -> dict[str, str]:
    return {"per_page": str(PER_PAGE), "page": str(page)}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _commit(one: Json) -> Commit:
    return Commit(
        sha=one["sha"],
        title=_title(one),
        author=_login(one.get("author")) or str(one["commit"]["author"]["name"]),
        url=str(one.get("html_url") or ""),
    )


def _title(one: Json) -> str:
    return str(one["commit"]["message"]).partition("\n")[0].strip()


def _told_in_titles(commits: Sequence[Json], comparison: Json) -> dict[int, PullRequest]:
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
        return int(squashed[2]), squashed[1].strip(), _commit(one).author
    return None


def _pull_request(one: Json) -> PullRequest:
    return PullRequest(
        number=one["number"],
        title=str(one["title"]),
        author=_login(one.get("user")),
        url=str(one.get("html_url") or ""),
    )


def _login(account: Mapping[str, Any] | None) -> str:
    """Deleted accounts are null."""
    return str((account or {}).get("login") or "")


def _issue(one: Json) -> Issue:
    return Issue(
        url=one["html_url"], body=str(one.get("body") or ""), is_open=one["state"] == "open"
    )
