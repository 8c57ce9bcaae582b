"""Payloads that hold no more than must be there, as other servers and old clients send them."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from slack_sdk.signature import SignatureVerifier

from bot.communication import ids
from bot.incident.state import Phase
from sandbox.slack.delivery.dispatch import Ack, Payload, Transport
from tests.company.deeds import declare, history
from tests.handlers.conftest import Front
from tests.handlers.test_conversation import DECISION

NEEDED = {"type", "user", "trigger_id", "actions", "channel", "view"}
NEEDED_OF_COMMANDS = {"command", "text", "user_id", "channel_id", "trigger_id"}
NEEDED_OF_ACTIONS = {"type", "action_id", "value", "selected_option"}
NEEDED_OF_VIEWS = {"id", "type", "callback_id", "private_metadata", "state"}


def lean(payload: Payload) -> Payload:
    """The same with what the bot cannot do without."""
    body: dict[str, Any] = copy.deepcopy(payload.body)
    if payload.kind == "slash_commands":
        return replace(payload, body=_only(body, NEEDED_OF_COMMANDS))
    body = _only(body, NEEDED)
    body["user"] = {"id": body["user"]["id"]}
    if "channel" in body:
        body["channel"] = {"id": body["channel"]["id"]}
    if "actions" in body:
        body["actions"] = [_only(action, NEEDED_OF_ACTIONS) for action in body["actions"]]
    if "view" in body:
        body["view"] = _only(body["view"], NEEDED_OF_VIEWS)
        values = body["view"]["state"]["values"]
        body["view"]["state"]["values"] = {
            block: held for block, held in values.items() if any(map(_is_filled, held.values()))
        }
    return replace(payload, body=body)


def _only(body: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name in names}


def _is_filled(element: dict[str, Any]) -> bool:
    return any(value for name, value in element.items() if name != "type")


@dataclass(frozen=True)
class Lean:
    """Sends every payload with nothing that may be missing."""

    inner: Transport

    async def send(self, payload: Payload, *, attempt: int, reason: str | None) -> Ack:
        """Deliver it once."""
        return await self.inner.send(lean(payload), attempt=attempt, reason=reason)


@pytest.fixture
def lean_front(front: Front) -> Front:
    """The bot, told as little as possible."""
    dispatcher = front.company.slack.dispatcher
    assert dispatcher.transport is not None
    dispatcher.transport = Lean(dispatcher.transport)
    return front


async def test_an_incident_is_lived_through_with_the_least_that_can_be_told(
    lean_front: Front,
) -> None:
    front = lean_front
    await front.form("ana")
    ana = front.person("ana")
    assert (await ana.fill_and_submit({ids.AFFECTED_USERS: "15"})).ok
    assert (await ana.fill_and_submit(DECISION)).ok
    incident = front.company.incidents["INC-2026-001"]
    await front.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    await front.company.clock.advance(10)
    channel = front.company.incidents[incident.id].channel
    assert channel is not None
    messages = front.company.messages(channel.channel_id)
    (card,) = [m for m in messages if f"'action_id': '{ids.APPROVE}'" in str(m.blocks)]
    front.company.slack.faults.duplicate_next(3)
    assert (await front.person("ben").press(card, ids.APPROVE)).ok
    await front.company.until(incident, lambda i: i.phase is Phase.VERIFYING)
    kinds = await history(front.process, incident)
    assert (kinds.count("approval_given"), kinds.count("execution_started")) == (1, 1)
    approval = front.company.incidents[incident.id].approvals
    assert [given.by.id for given in approval] == [front.person("ben").id]


async def test_without_a_response_url_a_refusal_is_told_in_the_channel(lean_front: Front) -> None:
    front = lean_front
    await declare(front.process)
    result = await front.person("ana").command("/rollback unfreeze checkout", channel="ops")
    assert result.ok
    assert result.message is not None
    await front.form("ana")


async def test_who_is_not_in_the_channel_is_told_directly(lean_front: Front) -> None:
    front = lean_front
    front.company.slack.faults.error("chat.postEphemeral", "user_not_in_channel")
    front.company.slack.faults.error("views.open", "expired_trigger_id")
    assert (await front.person("ana").command("/rollback checkout", channel="ops")).ok
    await front.company.clock.settle()
    (told,) = front.company.slack.workspace.messages(front.person("ana").direct_channel)
    assert "expired_trigger_id" in told.plain
    assert "again" in told.plain


async def test_a_form_is_filled_although_slack_stumbles_first(front: Front) -> None:
    front.company.slack.faults.server_error("views.update", status=502)
    assert (await front.person("ana").command("/rollback checkout", channel="ops")).ok
    await front.company.clock.advance(2)
    assert "20.0%" in await front.modal("ana")


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (
            json.dumps({"type": "url_verification", "token": "t", "challenge": "c0ffee"}),
            "application/json",
            "c0ffee",
        ),
        ("ssl_check=1&token=t", "application/x-www-form-urlencoded", ""),
    ],
)
async def test_slack_may_ask_whether_anybody_is_there(
    front: Front, body: str, kind: str, says: str
) -> None:
    status, text = await _signed(front, body, kind)
    assert status == 200
    assert says in text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("payload={", "application/x-www-form-urlencoded"),
        ("payload=[]", "application/x-www-form-urlencoded"),
        ('payload={"type":"block_actions"}', "application/x-www-form-urlencoded"),
        ('payload={"type":"view_submission","view":{}}', "application/x-www-form-urlencoded"),
        ("command=%2Frollback", "application/x-www-form-urlencoded"),
        ("[1]", "application/json"),
        ("{", "application/json"),
        ('{"type":"event_callback","event":{"type":"app_home_opened"}}', "application/json"),
        ("", "application/json"),
    ],
)
async def test_a_signed_request_that_says_nothing_is_answered(
    front: Front, body: str, kind: str
) -> None:
    status, _ = await _signed(front, body, kind)
    assert status in {200, 400, 404}


async def test_an_event_that_nobody_listens_to_is_taken_so_that_it_does_not_come_again(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    for event in (
        {"type": "message", "channel": "C1", "text": "hello", "ts": "1.1", "user": "U1"},
        {"type": "message", "subtype": "message_changed", "channel": "C1", "hidden": True},
        {"type": "member_joined_channel", "user": "U1", "channel": "C1"},
    ):
        body = {"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": event}
        status, _ = await _signed(front, json.dumps(body), "application/json")
        assert status == 200
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


async def test_a_button_that_is_none_any_more_does_not_look_as_if_it_worked(front: Front) -> None:
    action = {"type": "button", "action_id": "of_an_older_version", "value": "x"}
    body = {"type": "block_actions", "user": {"id": "U1"}, "actions": [action]}
    form = urlencode({"payload": json.dumps(body)})
    status, _ = await _signed(front, form, "application/x-www-form-urlencoded")
    assert status == 404


async def test_a_time_stamp_that_is_no_time_is_a_wrong_signature(front: Front) -> None:
    status, _ = await _signed(front, "{}", "application/json", timestamp="yesterday")
    assert status == 401


async def _signed(
    front: Front, body: str, kind: str, *, timestamp: str | None = None
) -> tuple[int, str]:
    """Post to the request URL as Slack does."""
    slack = front.company.slack
    moment = str(int(time.time())) if timestamp is None else timestamp
    signature = SignatureVerifier(slack.signing_secret).generate_signature(
        timestamp=moment, body=body
    )
    headers = {
        "Content-Type": kind,
        "X-Slack-Request-Timestamp": moment,
        "X-Slack-Signature": str(signature),
    }
    assert slack.request_url is not None
    async with (
        aiohttp.ClientSession() as session,
        session.post(slack.request_url, data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.text()
