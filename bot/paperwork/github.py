"""GitHub as the forge, by its REST API (version 2022-11-28)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar
from urllib.parse import quote

import aiohttp
import structlog
from yarl import URL

from bot.catalog.paperwork import GitHubSettings
from bot.clouds.http import read_all
from bot.clouds.outside import Secrets
from bot.core.errors import (
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)
from bot.engine.context import Comparison, Draft, Issue, IssueState, ReleaseNotes
from bot.incident.events import Commit, PullRequest

# What GitHub answers, as values of ours.

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


# What GitHub refuses, in our words (REST API, "Troubleshooting").


class GoneError(PermanentError):
    """What was there is there no more, or the repository has switched it off (HTTP 410)."""


def refusal(
    method: str, place: GitHubSettings, status: int, headers: Mapping[str, str], text: str
) -> RollbackBotError:
    """One of our errors for one of GitHub's answers."""
    said = _message(text)
    about = place.repository
    if status in {403, 429} and _is_limited(status, headers, said):
        wait = _wait(headers)
        return TemporaryError(f"GitHub asks us to slow down ({about}).", retry_after=wait)
    if status >= 500:
        return unanswered(method, f"HTTP {status}")
    token = f"the token in {place.token}" if place.token else "requests without a token"
    if status == 401:
        return ForbiddenError(
            f"GitHub refuses {token} for {about}: {said}.",
            "Make a new token, and set the variable anew.",
        )
    if status == 403:
        needed = headers.get("X-Accepted-GitHub-Permissions", "")
        right = f" (it needs {needed})" if needed else ""
        return ForbiddenError(
            f"GitHub does not allow this to {token} in {about}{right}: {said}.",
            "Give the token the right; docs/paperwork.md lists those that are needed.",
        )
    if status == 404:
        return NotFoundError(
            f"GitHub has no such thing in {about}, or hides it from {token}: {said}.",
            "Check repository and tag in rollback.yml, and what the token may see.",
        )
    kind = GoneError if status == 410 else PermanentError
    return kind(f"GitHub refuses this in {about} with HTTP {status}: {said}.")


def unanswered(method: str, why: str) -> TemporaryError:
    """No answer, or none that tells what became of the request."""
    what = f"GitHub does not answer ({why})."
    return TemporaryError(what) if method == "GET" else OutcomeUnknownError(what)


def _is_limited(status: int, headers: Mapping[str, str], said: str) -> bool:
    """Primary limits leave nothing; secondary ones say when to come back, or only what it is."""
    spent = headers.get("X-RateLimit-Remaining") == "0"
    return status == 429 or spent or "Retry-After" in headers or "rate limit" in said.lower()


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds to wait; a minute when GitHub does not say (its own advice)."""
    after, reset = headers.get("Retry-After", ""), headers.get("X-RateLimit-Reset", "")
    if after.isdigit():
        return float(after)
    if reset.isdigit():
        return max(1.0, float(reset) - datetime.now(tz=UTC).timestamp())
    return 60.0


def _message(text: str) -> str:
    """What GitHub says is wrong, with the fields that a 422 names."""
    try:
        body = json.loads(text)
    except ValueError:
        return "no reason given"
    if not isinstance(body, dict):
        return "no reason given"
    errors = body.get("errors") or []
    details = [_detail(one) for one in (errors if isinstance(errors, list) else [errors])]
    told = "; ".join([str(body.get("message") or "no reason given"), *filter(None, details)])
    return " ".join(told.split())[:300].rstrip(".")


def _detail(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    return str(error.get("message") or f"{error.get('field', '?')}: {error.get('code', '?')}")


# Calls of GitHub's REST API.

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT = aiohttp.ClientTimeout(total=20)
LONGEST_ANSWER = 16 * 1024 * 1024
"""Bytes. A comparison comes with the patches of up to 300 files, which nobody asked for."""
PER_PAGE = 100
"""The most that GitHub gives at once."""
_HEADERS = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
    # GitHub refuses requests without one.
    "User-Agent": "rollback-bot",
}


class GitHubApi:
    """Sends requests about one repository at a time, with its own token."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    async def get(
        self, place: GitHubSettings, path: str, query: Mapping[str, str] | None = None
    ) -> Any:
        """GET below ``/repos/{owner}/{name}``; the JSON of the answer."""
        return await self._call("GET", place, path, query=query)

    async def send(
        self, method: Literal["POST", "PATCH"], place: GitHubSettings, path: str, body: Any
    ) -> Any:
        """Change something; raises OutcomeUnknownError when it may have arrived."""
        return await self._call(method, place, path, body=body)

    async def _call(
        self,
        method: str,
        place: GitHubSettings,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        headers = dict(_HEADERS)
        if place.token is not None:
            headers["Authorization"] = f"Bearer {self._secrets.read(place.token)}"
        url = f"{str(place.api_url).rstrip('/')}/repos/{place.repository}{path}"
        try:
            async with (
                aiohttp.ClientSession(timeout=TIMEOUT) as session,
                session.request(
                    method,
                    # Built by us, already quoted: a tag may have a slash in it.
                    URL(url, encoded=True).update_query(query or {}),
                    headers=headers,
                    json=body,
                ) as response,
            ):
                content = await read_all(response.content, LONGEST_ANSWER)
                text = content.decode(errors="replace")
                status, answered, asked = response.status, response.headers, response.method
        except aiohttp.ClientConnectorError as error:
            raise TemporaryError(
                f"GitHub cannot be reached at {place.api_url} ({type(error).__name__})."
            ) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unanswered(method, type(error).__name__) from error
        except ValueError:
            raise PermanentError(
                f"The token in {place.token} cannot be sent: it has a line break in it.",
                "Set the variable anew.",
            ) from None
        if asked != method:
            # A redirect of the kind that turns a change into a question: nothing was changed.
            raise PermanentError(
                f"GitHub has {place.repository} in another place by now.",
                "Correct the repository's name in rollback.yml.",
            )
        if status < 300:
            return _json(text, status)
        raise refusal(method, place, status, answered, text)


def as_documented(
    call: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Take an answer that is JSON, but not as GitHub documents it, for one of something else."""

    @wraps(call)
    async def checked(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return await call(*arguments, **named)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise PermanentError(
                "An answer is not as GitHub documents it.",
                "Correct api_url in rollback.yml, or look for a proxy that answers in its place.",
            ) from error

    return checked


def _json(text: str, status: int) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise PermanentError(
            f"HTTP {status} without JSON: this is not GitHub's API.",
            "Correct api_url in rollback.yml.",
        ) from error


log = structlog.get_logger()

COMMIT_PAGES = 3
"""More commits are counted, not listed."""
PULL_PAGES = 2
"""Pull requests that were updated last; a release's are among them."""
ISSUE_PAGES = 10


class GitHub:
    """Implements ``bot.engine.context.Forge``."""

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
        pulls = {**told_in_titles(found, first), **await self._merged(place, found)}
        return Comparison(
            url=str(first["html_url"]),
            commits=tuple(map(commit, found)),
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
            young = [one for one in answer if moment(one["created_at"]) >= since]
            # A pull request is an issue too, for this part of the API.
            found += [issue(one) for one in young if "pull_request" not in one]
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
        return issue(await self._api.send("POST", place, "/issues", body))

    @as_documented
    async def issue_state(self, place: GitHubSettings, url: str) -> IssueState:
        """How an issue stands, looked for where it was filed; GitHub leads on to where it is.

        The catalog may name another repository by now, whose issue of that number is another.
        """
        repository, number = place_of_issue(url)
        there = place.model_copy(update={"repository": repository})
        try:
            answer = await self._api.get(there, f"/issues/{number}")
        except GoneError:
            return IssueState.DELETED
        return IssueState.CLOSED if answer["state"] == "closed" else IssueState.OPEN

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
        oldest = min(moment(commit["commit"]["committer"]["date"]) for commit in commits)
        order = {"state": "closed", "sort": "updated", "direction": "desc"}
        found: dict[int, PullRequest] = {}
        try:
            for page in range(1, PULL_PAGES + 1):
                answer = await self._api.get(place, "/pulls", {**order, **_paged(page)})
                found |= {
                    one["number"]: pull_request(one)
                    for one in answer
                    if one.get("merged_at") and one.get("merge_commit_sha") in shas
                }
                if len(answer) < PER_PAGE or moment(answer[-1]["updated_at"]) < oldest:
                    break
        except RollbackBotError as error:
            # The commits' titles name most of them.
            log.warning("pull requests not listed", repository=place.repository, error=str(error))
        return found


def _paged(page: int) -> dict[str, str]:
    return {"per_page": str(PER_PAGE), "page": str(page)}
