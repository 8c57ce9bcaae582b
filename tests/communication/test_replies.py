"""Answers that only the asking person sees."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.communication import blocks, ids
from bot.communication import replies as replies_
from bot.core.errors import (
    DuplicateRequestError,
    ForbiddenError,
    RefusedError,
    RollbackBotError,
    TemporaryError,
)
from bot.home import replies
from bot.incident.state import Phase
from tests.communication.checks import assert_message, buttons, shown
from tests.communication.examples import T0, incident_in

NOW = T0 + timedelta(hours=1)


def test_help_lists_what_can_be_typed() -> None:
    said = shown(replies.help_reply([("history [SERVICE]", "incidents of the past")]))
    for command in ("`/rollback SERVICE`", "`/rollback history [SERVICE]` — incidents of the"):
        assert command in said
    assert "Assessing changes nothing." in said


def test_a_command_without_a_service_offers_all_of_them() -> None:
    message = replies.choose_service(["billing", "checkout"])
    offered = buttons(message)
    assert [button["value"] for button in offered.values()] == ["billing", "checkout"]
    assert all(action.startswith(f"{ids.ASSESS}_") for action in offered)


def test_more_services_than_buttons_are_counted() -> None:
    message = replies.choose_service([f"service-{n}" for n in range(50)])
    assert len(buttons(message)) == 20
    assert "30 more services can only be typed." in shown(message)
    assert_message(message)


def test_an_empty_catalog_is_said() -> None:
    assert "The catalog names no service" in shown(replies.choose_service([]))


def test_open_incidents_are_listed_with_their_channel_and_state() -> None:
    message = replies.status_reply([incident_in(Phase.EXECUTING)], NOW)
    said = shown(message)
    assert "*1 open incident*" in said
    assert "*INC-2026-001* in <#C0INC0001>, open for 59 min 20 s: 🟣 Rolling back" in said
    assert "INC-2026-001" in message.text


def test_no_open_incident_says_how_to_begin() -> None:
    assert "`/rollback SERVICE` assesses a service" in shown(replies.status_reply([], NOW))


def test_many_incidents_are_folded_with_a_count() -> None:
    message = replies.status_reply([incident_in(Phase.PLANNING)] * 200, NOW)
    assert "200 open incidents" in shown(message)
    assert "more — type `/rollback history`" in shown(message)
    assert_message(message)


def test_history_says_how_long_each_lasted_and_how_it_ended() -> None:
    message = replies.history_reply([incident_in(Phase.RESOLVED), incident_in(Phase.STOPPED)], NOW)
    said = shown(message)
    assert "lasted 12 min 56 s: ✅ Resolved, recovery proven" in said
    assert "open for 59 min 20 s: 🔴 Rollback stopped" in said
    assert "There has been no incident yet." in shown(replies.history_reply([], NOW))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RefusedError("No.", "Ask Ben."), "🚫 *No.*\nAsk Ben."),
        (TemporaryError("Slack is silent."), "⏳ *Slack is silent.*\nTry again in a moment."),
        (ForbiddenError("A right is missing.", "Grant it."), "⚠️ *A right is missing.*\nGrant it."),
        (DuplicateRequestError("Done before."), "✔️ *Done before.*\nNothing is left to do."),
        (RefusedError("No."), "🚫 *No.*\n`/rollback help` says what you can do."),
        (ForbiddenError("No."), "⚠️ *No.*\nTell the people who run the bot; its log has the"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_what_to_do(error: RollbackBotError, said: str) -> None:
    message = replies_.refusal(error)
    assert said in shown(message)
    assert_message(message)


def test_a_refusal_can_point_to_a_channel() -> None:
    error = RefusedError("checkout has an open incident.", "Join it in <#C0INC0001>. <!channel>")
    said = shown(replies_.refusal(error))
    assert "Join it in <#C0INC0001>. &lt;!channel&gt;" in said


def test_a_misspelt_service_is_recognised() -> None:
    said = shown(replies.unknown_service("chekout", ["billing", "checkout"]))
    assert "The catalog has no service `chekout`. Did you mean `checkout`?" in said
    assert "• `/rollback billing`" in said


def test_a_service_that_nothing_resembles_is_answered_with_the_list() -> None:
    said = shown(replies.unknown_service("<!channel>", ["billing"]))
    assert "Did you mean" not in said
    assert "`&lt;!channel&gt;`" in said
    assert "names no service at all" in shown(replies.unknown_service("x", []))


def test_a_message_that_is_still_too_big_keeps_its_buttons_and_says_so() -> None:
    parts = [blocks.section("x" * 2_900) for _ in range(10)]
    row = blocks.actions([blocks.button("Approve", ids.APPROVE, "INC-1 abc")])
    message = blocks.compose("too much", [*parts, *row])
    assert set(buttons(message)) == {ids.APPROVE}
    assert "6 more parts did not fit here — see the report." in shown(message)
    assert_message(message)


def test_more_blocks_than_slack_takes_are_counted() -> None:
    message = blocks.compose("many", [blocks.divider() for _ in range(60)])
    assert len(message.blocks) == 50
    assert "11 more parts did not fit here" in shown(message)
    assert_message(message)
