"""Slack's errors in our words: what to do about each follows from its type."""

from __future__ import annotations

import socket

import pytest

from bot.communication.slack.client import SlackRefusedError, call, make_client
from bot.communication.slack.link import identify
from bot.core.errors import (
    FeatureUnavailableError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)
from sandbox.slack.server import SlackServer
from tests.communication.slack_office import client_of, without


async def _failing(slack: SlackServer) -> RollbackBotError:
    """What a post comes to."""
    channel = slack.workspace.add_channel("ops", with_bot=True)
    client = client_of(slack)
    with pytest.raises(RollbackBotError) as failed:
        await call(client.chat_postMessage, subject="posting", channel=channel.id, text="hello")
    return failed.value


async def test_a_good_answer_comes_as_plain_json(slack: SlackServer) -> None:
    answer = await call(client_of(slack).auth_test, subject="asking")
    assert answer["user_id"] == slack.bot_user_id
    identity = await identify(client_of(slack))
    assert (identity.bot_user_id, identity.team_id) == (slack.bot_user_id, slack.team_id)


async def test_a_rate_limit_is_temporary_and_names_the_wait(slack: SlackServer) -> None:
    slack.faults.rate_limit("chat.postMessage", retry_after=17)
    error = await _failing(slack)
    assert isinstance(error, TemporaryError)
    assert not isinstance(error, OutcomeUnknownError)
    assert error.retry_after == 17
    assert len([c for c in slack.calls if c.method == "chat.postMessage"]) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_after_a_server_error_the_outcome_is_unknown(slack: SlackServer, status: int) -> None:
    slack.faults.server_error("chat.postMessage", status=status)
    error = await _failing(slack)
    assert isinstance(error, OutcomeUnknownError)
    assert str(status) in error.what


@pytest.mark.parametrize("code", ["internal_error", "fatal_error", "request_timeout"])
async def test_errors_of_slack_itself_leave_the_outcome_unknown(
    slack: SlackServer, code: str
) -> None:
    slack.faults.error("chat.postMessage", code)
    assert isinstance(await _failing(slack), OutcomeUnknownError)


async def test_a_lost_answer_leaves_the_outcome_unknown(slack: SlackServer) -> None:
    slack.faults.timeout_after_effect("chat.postMessage")
    assert isinstance(await _failing(slack), OutcomeUnknownError)


async def test_no_connection_is_temporary_because_nothing_was_sent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = make_client("xoxb-none", f"http://127.0.0.1:{port}/api/")
    with pytest.raises(TemporaryError, match="cannot be reached") as failed:
        await call(client.auth_test, subject="asking")
    assert not isinstance(failed.value, OutcomeUnknownError)


@pytest.mark.parametrize(
    "code",
    [
        "missing_scope",
        "unknown_method",
        "not_allowed_token_type",
        "restricted_action",
        "paid_teams_only",
        "not_allowed_by_policy_of_tomorrow",
    ],
)
async def test_what_a_workspace_does_not_offer_is_told_apart_with_a_remedy(
    slack: SlackServer, code: str
) -> None:
    slack.faults.error("chat.postMessage", code)
    error = await _failing(slack)
    assert isinstance(error, FeatureUnavailableError)
    assert code in error.what
    assert error.remedy


async def test_a_missing_scope_is_named() -> None:
    server = SlackServer(manifest=without("chat:write"))
    await server.start()
    error = await _failing(server)
    await server.stop()
    assert isinstance(error, FeatureUnavailableError)
    assert "chat:write" in error.what


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("channel_not_found", "rollback.yml"),
        ("is_archived", "unarchive"),
        ("token_revoked", "reinstall"),
        ("user_not_found", "rollback.yml"),
        ("something_new", ""),
    ],
)
async def test_a_refusal_is_permanent_and_keeps_slacks_own_word(
    slack: SlackServer, code: str, remedy: str
) -> None:
    slack.faults.error("chat.postMessage", code)
    error = await _failing(slack)
    assert isinstance(error, SlackRefusedError)
    assert error.code == code
    assert remedy in error.remedy


async def test_an_invitation_can_come_any_moment(slack: SlackServer) -> None:
    slack.faults.error("chat.postMessage", "not_in_channel")
    error = await _failing(slack)
    assert isinstance(error, TemporaryError)
    assert "/invite" in error.remedy
    assert error.retry_after == 30


async def test_a_wrong_token_is_permanent_and_never_repeated_in_the_error(
    slack: SlackServer,
) -> None:
    client = make_client("xoxb-wrong-secret", slack.url.rstrip("/"))
    with pytest.raises(PermanentError, match="invalid_auth") as failed:
        await identify(client)
    assert "SLACK_BOT_TOKEN" in failed.value.remedy
    assert "xoxb-wrong-secret" not in str(failed.value)
