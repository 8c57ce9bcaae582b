"""Alerts over raw HTTP: who may send them, what is refused, and the one message they become."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bot.alerts.door import MOST_BYTES, AlertsDoor
from bot.alerts.inbox import Inbox
from bot.catalog.catalog import Catalog
from bot.communication import ids
from bot.core.errors import TemporaryError
from bot.entry.web import WebServer
from bot.incident.state import Phase
from sandbox.slack.base.model import Message
from tests.company.deeds import planned
from tests.company.harness import Company, Process, catalog_of
from tests.company.shop import HANG
from tests.handlers.alerts_support import TOKEN, Answer, alert, grafana, notification, post
from tests.handlers.conftest import Front
from tests.handlers.test_conversation import DECISION

PATH = "/webhooks/alertmanager"


@pytest.fixture
def catalog() -> Catalog:
    """Alerts go to #ops, and a label may name a service differently."""
    alerts = {"channel": "ops", "services": {"shop-checkout": "checkout"}}
    return catalog_of({"assessment": {"patience": "100ms"}, "alerts": alerts})


async def _listening(door: AlertsDoor | None) -> tuple[WebServer, str]:
    async def ready() -> list[str]:
        return []

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    web = WebServer(
        host="127.0.0.1",
        port=port,
        ready=ready,
        registry=CollectorRegistry(),
        slack=None,
        alerts=door,
    )
    await web.start()
    return web, f"http://127.0.0.1:{port}{PATH}"


@dataclass(frozen=True, kw_only=True)
class Sender:
    """An Alertmanager before a process of the bot."""

    front: Front
    url: str

    @property
    def company(self) -> Company:
        """Where the bot works."""
        return self.front.company

    async def send(self, *alerts: dict[str, Any], **more: Any) -> Answer:
        """Send a notification, and let everything that follows happen."""
        answer = await post(self.url, notification(*alerts, **more))
        await self.company.clock.advance(3)
        return answer

    def told(self, channel: str = "ops") -> list[str]:
        """The bot's messages, as a person sees them."""
        company = self.company
        return [company.slack.workspace.render(m) for m in company.messages(channel)]

    @property
    def card(self) -> Message:
        """The only message in #ops."""
        (message,) = self.company.messages("ops")
        return message


@pytest.fixture
async def sender(front: Front) -> AsyncIterator[Sender]:
    """Alerts are switched on."""
    inbox = Inbox(front.process.context)
    web, url = await _listening(AlertsDoor(token=TOKEN, receive=inbox.receive))
    yield Sender(front=front, url=url)
    await web.stop()


async def test_without_a_token_in_the_environment_there_is_no_such_door() -> None:
    for door in (None, AlertsDoor(token="", receive=Inbox.receive)):  # type: ignore[arg-type]
        web, url = await _listening(door)
        answer = await post(url, b"", token="")
        assert answer.status == 404
        assert "ROLLBACK_ALERTS_TOKEN is not set" in answer.body["error"]
        await web.stop()


async def test_strangers_and_broken_bodies_are_turned_away_with_the_reason(sender: Sender) -> None:
    fine = alert(start=sender.company.clock.now())
    for token in (None, "", "wrong", TOKEN + "x", "é"):
        answer = await post(sender.url, notification(fine), token=token)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    broken: tuple[tuple[Any, str], ...] = (
        (b"", "not JSON"),
        (b"\xff{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ([], "the body"),
        ({}, "version"),
        ({**notification(fine), "version": "5"}, "version"),
        ({**notification(fine), "groupKey": ""}, "groupKey"),
        ({**notification(fine), "alerts": None}, "alerts"),
        (notification({**fine, "startsAt": "noon"}), "alerts.0.startsAt"),
        (notification({**fine, "status": "odd"}), "alerts.0.status"),
        (notification({**fine, "labels": {"service": 1}}), "alerts.0.labels.service"),
    )
    for content, said in broken:
        answer = await post(sender.url, content)
        assert (answer.status, answer.body["status"]) == (400, "error"), content
        assert said in answer.body["error"], (said, answer.body)
    big = notification(alert(start=sender.company.clock.now(), summary="x" * MOST_BYTES))
    assert (await post(sender.url, big)).status == 413
    await sender.company.clock.advance(3)
    assert sender.told() == []


async def test_an_alert_becomes_a_suggestion_whose_button_opens_a_filled_assessment(
    sender: Sender,
) -> None:
    company = sender.company
    start = company.clock.now() - timedelta(minutes=2)
    company.shop.script["series"] = [HANG, HANG]
    answer = await sender.send(alert(start=start, summary="Every <!channel> fails", value="0.2"))
    assert (answer.status, answer.body["services"]) == (
        200,
        [{"service": "checkout", "outcome": "suggested"}],
    )
    (told,) = sender.told()
    assert "1 alert fires for checkout" in told
    assert "<!channel>" not in json.dumps(sender.card.blocks)
    ana = sender.front.person("ana")
    assert (await ana.press(sender.card, ids.ASSESS)).ok
    await ana.wait_for(lambda: ana.view is not None and "did not answer" in ana.view.plain)
    form = await sender.front.modal("ana")
    assert "HighErrorRate (critical): Every <!channel> fails [0.2]" in form
    assert company.incidents == {}


async def test_an_incident_that_began_with_an_alerts_button_knows_what_detected_it(
    sender: Sender,
) -> None:
    company, ana = sender.company, sender.front.person("ana")
    start = company.clock.now() - timedelta(minutes=2)
    await sender.send(alert(start=start))
    await ana.press(sender.card, ids.ASSESS)
    await sender.front.modal("ana")
    assert (await ana.submit()).ok
    assert (await ana.fill_and_submit(DECISION)).ok
    declared = company.incidents["INC-2026-001"].declared
    noticed = declared.noticed_by(None)
    assert noticed is not None
    assert (noticed.name, noticed.started_at) == ("HighErrorRate", start)
    assert start < declared.assessed_at


async def test_repeats_of_all_members_update_one_message_until_it_is_over(sender: Sender) -> None:
    company = sender.company
    start = company.clock.now()
    for _ in range(3):
        await sender.send(alert(start=start))
        await company.clock.advance(300)
    assert "Heard 3 times" in sender.told()[0]
    ended = company.clock.now()
    answer = await sender.send(alert(start=start, end=ended))
    assert answer.body["services"][0]["outcome"] == "resolved"
    assert "Alerts for checkout are over" in sender.told()[0]
    assert ids.ASSESS not in json.dumps(sender.card.blocks)
    assert company.calls("chat.postMessage") == 1


async def test_two_processes_that_hear_the_same_at_once_and_after_a_restart_tell_it_once(
    sender: Sender, catalog: Catalog
) -> None:
    company = sender.company
    body = json.dumps(notification(alert(start=company.clock.now()))).encode()
    other: Process = await company.process(catalog=catalog)
    both = asyncio.gather(
        Inbox(sender.front.process.context).receive("alertmanager", body),
        Inbox(other.context).receive("alertmanager", body),
    )
    await company.clock.advance(3)
    assert [len(answer) for answer in await both] == [3, 3]
    for process in (sender.front.process, other):
        await process.kill()
    restarted = await company.process(catalog=catalog)
    await Inbox(restarted.context).receive("alertmanager", body)
    await company.clock.advance(120)
    assert "Heard 3 times" in sender.told()[0]
    assert company.calls("chat.postMessage") == 1


async def test_what_was_owed_before_the_store_failed_is_not_told_twice(sender: Sender) -> None:
    started = alert(start=sender.company.clock.now())
    sender.front.process.store.fail_next(TemporaryError("The store is busy."), times=1)
    assert (await sender.send(started)).status == 503
    assert (await sender.send(started)).status == 200
    assert len(sender.told()) == 1


async def test_killed_behind_what_it_owed_another_process_goes_on_with_the_story(
    sender: Sender, catalog: Catalog
) -> None:
    company, dying = sender.company, sender.front.process
    start = company.clock.now()
    first = json.dumps(notification(alert(start=start))).encode()
    dying.life.die_at("after enqueue", 1)
    with suppress(asyncio.CancelledError):
        await Inbox(dying.context).receive("alertmanager", first)
    await dying.kill()
    other = await company.process(catalog=catalog)
    both = notification(alert(start=start), alert(start=start, name="NoOrders"))
    await company.clock.advance(15)
    await Inbox(other.context).receive("alertmanager", json.dumps(both).encode())
    await company.clock.advance(5)
    assert "NoOrders" in sender.told()[0]
    assert "Heard 2 times" in sender.told()[0]


async def test_an_open_incident_hears_of_the_alert_instead(sender: Sender) -> None:
    incident = await planned(sender.front.process)
    answer = await sender.send(alert(start=sender.company.clock.now()))
    assert answer.body["services"] == [
        {"service": "checkout", "outcome": "noted", "incident": incident.id}
    ]
    assert sender.told() == []
    channel = sender.company.incidents[incident.id].channel
    assert channel is not None
    (told,) = [t for t in sender.told(channel.channel_id) if "alert fires" in t]
    assert "part of this incident's record" in told
    assert sender.company.incidents[incident.id].phase is Phase.AWAITING_APPROVAL


async def test_a_suggestion_leads_to_the_incident_once_there_is_one(sender: Sender) -> None:
    started = alert(start=sender.company.clock.now())
    await sender.send(started)
    incident = await planned(sender.front.process)
    await sender.send(started)
    (told,) = sender.told()
    assert f"*{incident.id}* is open for this service" in told
    assert ids.ASSESS not in json.dumps(sender.card.blocks)


async def test_unknown_services_are_named_in_the_answer_and_logged_once(
    sender: Sender, logs: list[Any]
) -> None:
    start = sender.company.clock.now()
    for _ in range(2):
        answer = await sender.send(
            alert("billing", start=start),
            alert(None, start=start),
            alert("shop-checkout", start=start),
        )
        assert answer.status == 200
        assert answer.body["unknown_services"] == ["billing", "(no label service)"]
        assert [found["service"] for found in answer.body["services"]] == ["checkout"]
    said = [entry for entry in logs if "no service of the catalog" in str(entry)]
    assert len(said) == 2


async def test_grafana_is_understood_and_its_figures_stand_where_nothing_is_measured(
    sender: Sender,
) -> None:
    company = sender.company
    answer = await post(sender.url, grafana(company.clock.now()))
    assert answer.body["services"] == [{"service": "checkout", "outcome": "suggested"}]
    await company.clock.advance(3)
    company.shop.script["series"] = [HANG, HANG]
    ana = sender.front.person("ana")
    await ana.press(sender.card, ids.ASSESS)
    await ana.wait_for(lambda: ana.view is not None and "did not answer" in ana.view.plain)
    form = await sender.front.modal("ana")
    assert "Errors over 5 % [B = 12.5, C = 1]" in form
    assert "12.50" in form
    assert "740.00" in form


async def test_an_end_of_what_was_never_heard_is_told_to_nobody(sender: Sender) -> None:
    now = sender.company.clock.now()
    answer = await sender.send(alert(start=now, end=now))
    assert answer.body["services"][0]["outcome"] == "ignored"
    assert sender.told() == []
