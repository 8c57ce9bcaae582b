"""Holding, editing and sending messages to customers, click by click."""

from __future__ import annotations

from typing import Any

import pytest

from bot.catalog.catalog import Catalog
from bot.communication import ids
from bot.incident import events as e
from bot.incident.state import Incident, OutsideState
from sandbox.slack.base.model import Message
from tests.company.deeds import approved, history, planned
from tests.company.harness import catalog_of
from tests.handlers.conftest import Front

PAGE = {
    "kind": "statuspage",
    "url": "http://127.0.0.1:9/v1",
    "page_id": "y2h6z0xk5r3t",
    "api_key": "STATUSPAGE_KEY",
}


@pytest.fixture
def catalog() -> Catalog:
    return catalog_of({"assessment": {"patience": "100ms"}, "destinations": {"public": PAGE}})


async def _waiting(front: Front) -> tuple[Incident, Message]:
    """Ben holds messages to customers by the button on the status card; one waits."""
    incident = await planned(front.process)
    await front.company.clock.advance(3)
    card = _message(front, incident, ids.HOLD_EXTERNAL)
    assert (await front.person("ben").press(card, ids.HOLD_EXTERNAL)).sent
    await front.company.clock.settle()
    assert front.company.incidents[incident.id].external_held_by is not None
    await approved(front.process, incident)
    await front.company.clock.advance(3)
    return incident, _message(front, incident, ids.SEND_EXTERNAL)


def _message(front: Front, incident: Incident, action: str) -> Message:
    channel = front.company.incidents[incident.id].channel
    assert channel is not None
    messages = front.company.messages(channel.channel_id)
    return next(m for m in messages if f"'action_id': '{action}'" in str(m.blocks))


def _sent(front: Front, incident: Incident) -> list[Any]:
    known = front.company.incidents[incident.id].outside
    return [(o.message, o.edited) for o in known if o.state is OutsideState.SENT]


async def test_a_draft_waits_and_two_quick_clicks_send_it_once(front: Front) -> None:
    incident, draft = await _waiting(front)
    assert "brought back the previous version" in front.company.slack.workspace.render(draft)
    for _ in range(2):
        await front.person("ben").press(draft, ids.SEND_EXTERNAL)
        await front.company.clock.settle()
    told = [message for message, _ in _sent(front, incident)]
    assert told == [e.ExternalMessage.INVESTIGATING, e.ExternalMessage.MONITORING]
    assert (await history(front.process, incident)).count("external_sent") == 2
    assert "was already sent by ben" in front.whispers("ben")[-1].plain


async def test_a_person_sends_their_own_words(front: Front) -> None:
    incident, draft = await _waiting(front)
    ben = front.person("ben")
    await ben.press(draft, ids.OPEN_EDIT_EXTERNAL)
    assert "What customers read" in await front.modal("ben")
    assert (await ben.fill_and_submit({ids.TEXT: "Payments come back soon."})).ok
    await front.company.clock.settle()
    assert _sent(front, incident)[-1] == (e.ExternalMessage.MONITORING, True)
    assert front.company.incidents[incident.id].outside[-1].text == "Payments come back soon."


async def test_strangers_can_neither_send_nor_write(front: Front) -> None:
    incident, draft = await _waiting(front)
    await front.person("ana").press(draft, ids.OPEN_EDIT_EXTERNAL)
    await front.person("ana").press(draft, ids.DISCARD_EXTERNAL)
    await front.company.clock.settle()
    assert front.person("ana").view is None
    assert "decide what customers read" in front.whispers("ana")[-1].plain
    assert len(_sent(front, incident)) == 1


async def test_a_discarded_draft_loses_its_buttons_and_the_hold_can_end(front: Front) -> None:
    incident, draft = await _waiting(front)
    ben = front.person("ben")
    await ben.press(draft, ids.DISCARD_EXTERNAL)
    await front.company.clock.advance(5)
    await ben.press(_message(front, incident, ids.FREE_EXTERNAL), ids.FREE_EXTERNAL)
    await front.company.clock.settle()
    state = front.company.incidents[incident.id]
    assert state.external_held_by is None
    assert state.outside[-1].state is OutsideState.DISCARDED
    messages = [str(m.blocks) for m in front.company.messages(state.channel.channel_id)]  # type: ignore[union-attr] # it was opened
    assert not any(f"'action_id': '{ids.SEND_EXTERNAL}'" in blocks for blocks in messages)
