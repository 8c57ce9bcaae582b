"""GitHub as the forge, by its REST API (version 2022-11-28)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

import structlog

from bot.adapters.github_answers import (
    Json,
    commit,
    issue,
    moment,
    place_of_issue,
    pull_request,
    told_in_titles,
)
from bot.adapters.github_api import PER_PAGE, GitHubApi, as_documented
from bot.adapters.github_refusals import GoneError
from bot.config.paperwork import GitHubSettings
from bot.domain.events import PullRequest
from bot.errors import NotFoundError, PermanentError, RollbackBotError
from bot.ports.forge import Comparison, Draft, Issue, IssueState, ReleaseNotes
from bot.ports.outside import Secrets

log = structlog.get_logger()

COMMIT_PAGES = 3
"""More commits are counted, not listed."""
PULL_PAGES = 2
"""Pull requests that were updated last; a release's are among them."""
ISSUE_PAGES = 10


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
