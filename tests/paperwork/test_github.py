"""The forge over real HTTP, with the answers that GitHub documents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.catalog.paperwork import GitHubSettings
from bot.core.errors import (
    ConfigurationError,
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    TemporaryError,
)
from bot.engine.context import Draft, IssueState, ReleaseNotes
from bot.paperwork.github import GitHub
from sandbox.github.faults import Fault, rate_limited, slowed_down
from sandbox.github.model import Issue, Release, Repository, Token
from sandbox.github.server import GitHubServer
from tests.company.forge import TOKEN, KnownSecrets

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SHOP = "acme/shop"
RIGHTS = frozenset({"contents", "issues"})
FORGE = GitHub(KnownSecrets({"GITHUB_TOKEN": TOKEN, "WRONG": "github_pat_wrong"}))


@pytest.fixture
async def github() -> AsyncIterator[GitHubServer]:
    """A private repository, and a token that may do everything needed there."""
    server = GitHubServer()
    server.repositories[SHOP] = Repository(name=SHOP, members=("anna",))
    server.tokens[TOKEN] = Token(value=TOKEN, repositories=frozenset({SHOP}), writes=RIGHTS)
    await server.start()
    yield server
    await server.stop()


def place(github: GitHubServer, **changes: object) -> GitHubSettings:
    given = {"repository": SHOP, "token": "GITHUB_TOKEN", "api_url": github.url}
    return GitHubSettings.model_validate({**given, **changes})


def history(github: GitHubServer, commits: int) -> Repository:
    """So many commits between the releases."""
    shop = github.repositories[SHOP]
    shop.commit("Before", at=NOON - timedelta(days=3), tag="v2.0.0")
    for number in range(1, commits + 1):
        at = NOON - timedelta(days=2) + timedelta(minutes=number)
        shop.commit(f"Change {number}", at=at, tag="release/2.1" if number == commits else "")
    return shop


async def test_commits_are_read_page_by_page_and_the_link_leads_to_all(
    github: GitHubServer,
) -> None:
    history(github, 150)
    found = await FORGE.compare(place(github), "v2.0.0", "release/2.1")
    assert found.total_commits == len(found.commits) == 150
    assert (found.commits[0].title, found.commits[-1].title) == ("Change 1", "Change 150")
    assert found.url == "https://github.com/acme/shop/compare/v2.0.0...release/2.1"
    assert github.calls("GET /repos/acme/shop/compare") == 2


async def test_a_thousand_commits_cost_a_few_calls_and_are_counted(github: GitHubServer) -> None:
    history(github, 1_000)
    found = await FORGE.compare(place(github), "v2.0.0", "release/2.1")
    assert (found.total_commits, len(found.commits)) == (1_000, 300)
    assert len(github.requests) <= 5


async def test_pull_requests_are_found_however_they_were_merged(github: GitHubServer) -> None:
    shop = history(github, 3)
    late = NOON - timedelta(days=1)
    rebased = shop.commit("Third of a rebased branch", at=late)
    shop.merged(rebased, 11, "Rebase me")
    squashed = shop.commit("Prices with currencies (#12)", at=late, author="Ghost", login=None)
    shop.merged(squashed, 12, "Prices with currencies, renamed since", login=None)
    merged = "Merge pull request #13 from ben/refunds\n\nRefunds in two currencies"
    shop.commit(merged, at=late, tag="v2.1.0")
    elsewhere = shop.commit("After the release (#14)", at=late)
    shop.merged(elsewhere, 14, "After the release")
    found = await FORGE.compare(place(github), "v2.0.0", "v2.1.0")
    told = [(one.number, one.title, one.author) for one in found.pull_requests]
    assert told == [
        (11, "Rebase me", "anna"),
        (12, "Prices with currencies, renamed since", ""),
        (13, "Refunds in two currencies", "ben"),
    ]
    assert found.pull_requests[2].url == "https://github.com/acme/shop/pull/13"


async def test_without_the_right_to_read_pull_requests_titles_still_name_them(
    github: GitHubServer,
) -> None:
    history(github, 1).commit("Prices (#12)", at=NOON, tag="v2.1.0")
    github.order(Fault(path="/pulls", status=403, message="Resource not accessible"))
    found = await FORGE.compare(place(github), "v2.0.0", "v2.1.0")
    assert [(one.number, one.title) for one in found.pull_requests] == [(12, "Prices")]


async def test_a_releases_text_is_read_and_replaced(github: GitHubServer) -> None:
    shop = github.repositories[SHOP]
    shop.releases += [
        Release(id=1, tag="v2.1.0", draft=True, body="not yet"),
        Release(id=2, tag="v2.1.0", body=None),
    ]
    notes = await FORGE.release(place(github), "v2.1.0")
    assert notes.body == ""
    changed = ReleaseNotes(id=notes.id, url=notes.url, body="Rolled back")
    await FORGE.write_release(place(github), changed)
    assert [release.body for release in shop.releases] == ["not yet", "Rolled back"]
    with pytest.raises(NotFoundError, match=r"hides it from the token in GITHUB_TOKEN"):
        await FORGE.release(place(github), "v9")


async def test_an_issue_is_filed_for_those_who_can_own_it_and_seen_closed(
    github: GitHubServer,
) -> None:
    draft = Draft(title="Test it", body="mark", owners=("anna", "zoe"), labels=("post-mortem",))
    filed = await FORGE.file(place(github), draft)
    (issue,) = github.repositories[SHOP].issues
    assert (issue.assignees, issue.labels) == (["anna"], ["post-mortem"])
    assert filed.url == "https://github.com/acme/shop/issues/1"
    assert await FORGE.issue_state(place(github), filed.url) is IssueState.OPEN
    issue.state = "closed"
    assert await FORGE.issue_state(place(github), filed.url) is IssueState.CLOSED


async def test_what_became_of_an_issue_is_told_apart(github: GitHubServer) -> None:
    filed = await FORGE.file(place(github), Draft(title="Test it", body="mark"))
    github.faults.order(Fault(status=410, message="This issue was deleted", path="/issues/1"))
    assert await FORGE.issue_state(place(github), filed.url) is IssueState.DELETED
    github.faults.order(Fault(status=404, message="Not Found", path="/issues/1"))
    with pytest.raises(NotFoundError):
        await FORGE.issue_state(place(github), filed.url)
    with pytest.raises(PermanentError, match="no address of an issue"):
        await FORGE.issue_state(place(github), "https://github.com/acme/shop/pull/1")


async def test_an_issue_is_followed_to_where_it_was_moved(github: GitHubServer) -> None:
    filed = await FORGE.file(place(github), Draft(title="Test it", body="mark"))
    other = github.repositories["acme/tools"] = Repository(name="acme/tools")
    github.tokens[TOKEN] = Token(
        value=TOKEN, repositories=frozenset({SHOP, "acme/tools"}), writes=RIGHTS
    )
    moved = await FORGE.file(place(github, repository="acme/tools"), Draft(title="It", body="m"))
    other.issues[0].state = "closed"
    there = f"{github.url}/repos/acme/tools/issues/1"
    github.faults.order(Fault(status=301, path="/shop/issues/1", headers={"Location": there}))
    assert await FORGE.issue_state(place(github), filed.url) is IssueState.CLOSED
    # The catalog names another repository by now, whose first issue is another one.
    now_elsewhere = place(github, repository="acme/tools")
    assert await FORGE.issue_state(now_elsewhere, filed.url) is IssueState.OPEN
    assert moved.url.endswith("/acme/tools/issues/1")


async def test_issues_are_listed_back_to_a_moment_without_pull_requests(
    github: GitHubServer,
) -> None:
    shop = github.repositories[SHOP]
    for number in range(1, 131):
        shop.issues.append(
            Issue(
                number=number,
                title="x",
                body=f"body {number}",
                created_at=NOON + timedelta(minutes=number),
                state="closed" if number % 2 else "open",
                is_pull=number == 130,
            )
        )
    found = await FORGE.issues(place(github), since=NOON + timedelta(minutes=21))
    assert [one.body for one in found] == [f"body {n}" for n in range(129, 20, -1)]
    assert github.calls("GET /repos/acme/shop/issues") == 2


async def test_a_repository_that_drowns_in_issues_is_an_error_and_no_doubled_issue(
    github: GitHubServer,
) -> None:
    shop = github.repositories[SHOP]
    shop.issues += [Issue(number=n, title="x", body="", created_at=NOON) for n in range(1, 1_002)]
    with pytest.raises(PermanentError, match="too many new issues"):
        await FORGE.issues(place(github), since=NOON)


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (slowed_down(seconds=30), 30),
        (slowed_down(seconds=45, status=403), 45),
        (Fault(status=403, message="You have exceeded a secondary rate limit."), 60),
        (Fault(status=429, message="Too many requests"), 60),
        (rate_limited(resets_at=0), 1),
    ],
)
async def test_github_asking_to_slow_down_is_obeyed(
    github: GitHubServer, fault: Fault, seconds: int
) -> None:
    github.order(fault)
    with pytest.raises(TemporaryError) as refused:
        await FORGE.release(place(github), "v1")
    assert refused.value.retry_after == seconds


async def test_refusals_say_what_to_do_and_never_the_token(github: GitHubServer) -> None:
    shop, draft = github.repositories[SHOP], Draft(title="Test it", body="")
    with pytest.raises(ForbiddenError, match=r"Bad credentials") as wrong:
        await FORGE.release(place(github, token="WRONG"), "v1")
    assert "github_pat" not in str(wrong.value)
    assert "the token in WRONG" in str(wrong.value)
    github.tokens[TOKEN] = Token(value=TOKEN, repositories=frozenset({SHOP}))
    with pytest.raises(ForbiddenError, match=r"it needs issues=write") as lacking:
        await FORGE.file(place(github), draft)
    assert TOKEN not in str(lacking.value)
    github.tokens[TOKEN] = Token(value=TOKEN, repositories=frozenset({SHOP}), writes=RIGHTS)
    with pytest.raises(PermanentError, match=r"HTTP 422: Validation Failed; is too long"):
        await FORGE.file(place(github), Draft(title="x" * 300, body=""))
    shop.has_issues = False
    with pytest.raises(PermanentError, match=r"HTTP 410: Issues are disabled for this repo\.$"):
        await FORGE.file(place(github), draft)
    with pytest.raises(NotFoundError, match=r"requests without a token"):
        await FORGE.release(place(github, token=None), "v1")
    with pytest.raises(ConfigurationError, match="UNSET"):
        await FORGE.release(place(github, token="UNSET"), "v1")


async def test_a_lost_answer_to_a_change_is_an_unknown_outcome(github: GitHubServer) -> None:
    draft = Draft(title="Test it", body="")
    github.order(Fault(method="POST"))
    with pytest.raises(OutcomeUnknownError):
        await FORGE.file(place(github), draft)
    assert len(github.repositories[SHOP].issues) == 1
    github.order(Fault(status=502, message="Bad Gateway"))
    with pytest.raises(OutcomeUnknownError):
        await FORGE.file(place(github), draft)
    github.order(Fault(status=502, message="Bad Gateway"))
    with pytest.raises(TemporaryError, match="502"):
        await FORGE.release(place(github), "v1")


async def test_silence_and_a_closed_port_are_temporary(github: GitHubServer) -> None:
    github.order(Fault(hangs=True))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await FORGE.release(place(github), "v1")
    with pytest.raises(TemporaryError, match="cannot be reached"):
        await FORGE.release(place(github, api_url="http://127.0.0.1:1"), "v1")


@pytest.mark.parametrize("status", [301, 302])
async def test_a_change_is_not_taken_for_done_where_a_redirect_made_a_question_of_it(
    github: GitHubServer, status: int
) -> None:
    elsewhere = {"Location": f"{github.url}/repos/{SHOP}/issues"}
    github.order(Fault(method="POST", path="/issues", status=status, headers=elsewhere))
    with pytest.raises(PermanentError, match="in another place by now"):
        await FORGE.file(place(github), Draft(title="Test it", body=""))
    assert github.repositories[SHOP].issues == []


async def test_a_change_follows_a_redirect_that_keeps_it(github: GitHubServer) -> None:
    elsewhere = {"Location": f"{github.url}/repos/{SHOP}/issues"}
    github.order(Fault(method="POST", path="/issues", status=307, headers=elsewhere))
    issue = await FORGE.file(place(github), Draft(title="Test it", body=""))
    assert issue.is_open


@pytest.mark.parametrize("answer", ["{}", "[]", "null", '"down"', '{"commits": null}'])
async def test_json_that_is_not_githubs_is_an_error_with_a_remedy(answer: str) -> None:
    async def anything(_: web.Request) -> web.Response:
        return web.Response(text=answer, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", anything)
    async with TestServer(app) as server:
        strange = GitHubSettings.model_validate(
            {"repository": SHOP, "api_url": str(server.make_url("/"))}
        )
        with pytest.raises(PermanentError, match="api_url"):
            await FORGE.compare(strange, "v1", "v2")
        with pytest.raises(PermanentError, match="api_url"):
            await FORGE.file(strange, Draft(title="Test it", body=""))


async def test_a_long_comparison_is_read_to_its_end() -> None:
    padding = "x" * 2_000_000
    body = {"commits": [], "total_commits": 0, "html_url": "https://x", "files": [padding]}

    async def long(_: web.Request) -> web.Response:
        return web.json_response(body)

    app = web.Application()
    app.router.add_get("/{path:.*}", long)
    async with TestServer(app) as server:
        ours = GitHubSettings.model_validate(
            {"repository": SHOP, "api_url": str(server.make_url("/"))}
        )
        found = await FORGE.compare(ours, "v1", "v2")
    assert found.url == "https://x"


async def test_a_token_with_a_line_break_is_refused_and_not_shown(github: GitHubServer) -> None:
    forge = GitHub(KnownSecrets({"GITHUB_TOKEN": "first\nsecond"}))
    with pytest.raises(PermanentError, match="line break") as caught:
        await forge.compare(place(github), "v1", "v2")
    assert "second" not in str(caught.value)
