"""What changed, issues and questions: complete, bounded, and nothing injected."""

from __future__ import annotations

import json
import re
from datetime import date

from bot.communication import markdown
from bot.communication.blocks import Message
from bot.incident import events as e
from bot.incident.state import ActionState, Incident, Phase
from bot.paperwork.actions import (
    ask_after,
    changes,
    issue_body,
    issue_title,
    marker,
    release_plan_updated,
)
from tests.communication.checks import assert_message
from tests.communication.examples import incident_in

NASTY = "<!channel> *bold* @everyone `x` --> | [a](http://evil.example)\n# head"


OUR_LINK = re.compile(r"<https://(?:github\.com|x\.example)/[^|<>]*\|([^|<>]*)>")


def assert_fine(message: Message) -> None:
    """Slack takes it; but for links to where the code lives nothing in it is live."""
    bare = json.loads(OUR_LINK.sub(r"\1", json.dumps(message.blocks)))
    assert_message(Message(text=message.text, blocks=tuple(bare)))


def concluded(action: e.CorrectiveAction, **states: ActionState) -> Incident:
    conclusion = e.Conclusion(
        root_cause=NASTY, corrective_actions=(action,), follow_up=e.FollowUp.HOTFIX
    )
    actions = {0: states["state"]} if states else {}
    return incident_in(Phase.RESOLVED).model_copy(
        update={"conclusion": conclusion, "actions": actions}
    )


def compared(pulls: int, commits: int, title: str = "Price") -> e.ChangesCompared:
    return e.ChangesCompared(
        base="v2.0.0",
        head="v2.1.0",
        url="https://github.com/acme/shop/compare/v2.0.0...v2.1.0",
        commits=tuple(
            e.Commit(sha=f"{n:040x}", title=title, author="ana", url="https://x.example/c")
            for n in range(commits)
        ),
        pull_requests=tuple(
            e.PullRequest(number=n, title=title, author="ana", url="https://x.example/p")
            for n in range(pulls)
        ),
        total_commits=commits,
    )


def test_what_changed_names_pull_requests_or_else_commits_and_counts_the_rest() -> None:
    for pulls, commits in ((0, 0), (0, 100), (100, 100), (3, 5)):
        assert_fine(changes(compared(pulls, commits, NASTY * 5)))
    told = str(changes(compared(12, 40)).blocks)
    assert "|#11>" in told
    assert "|#1>" not in told
    assert "and 2 more" in told
    assert "40 commits" in told
    assert "compare/v2.0.0...v2.1.0|see all>" in told


def test_a_question_mentions_the_owner_and_can_be_answered_with_a_click() -> None:
    action = e.CorrectiveAction(text=NASTY, owner="ana, Zoe", due=date(2026, 12, 1))
    incident = concluded(action, state=ActionState(url="https://github.com/acme/shop/issues/7"))
    message = ask_after(incident, 0)
    assert_fine(message)
    told = str(message.blocks)
    assert "<@U0ANA0001>, Zoe, due 2026-12-01" in told
    assert "https://github.com/acme/shop/issues/7" in told
    assert "<!channel>" not in told


def test_an_issue_says_where_it_comes_from_and_notifies_no_stranger() -> None:
    action = e.CorrectiveAction(text=NASTY + "x" * 400, owner="zoe")
    body = issue_body(concluded(action), action, marker("abc"))
    assert "@everyone" not in body
    assert "<!channel>" not in body
    assert body.count("-->") == 1
    assert marker("abc") in body
    assert "https://slack.com/app_redirect?channel=" in body
    title = issue_title(action)
    assert len(title) <= 256
    assert "\n" not in title
    assert markdown.cell("zoe") in body


def test_where_the_release_plan_is_may_be_a_link_or_a_path() -> None:
    for where in ("https://github.com/acme/shop/releases/tag/v2", "/srv/<plans>/v2.md"):
        assert_fine(release_plan_updated(e.ReleasePlanUpdated(where=where)))
