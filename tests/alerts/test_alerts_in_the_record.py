"""Alerts stand in an incident's record: each beginning and end once, and what noticed it."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.alerts.inbox import Inbox
from bot.assessment import assess, declare
from bot.incident import events as e
from bot.incident.assessment import Assessment
from bot.incident.state import Incident, Phase
from bot.paperwork import conclude
from bot.reporting.report import build_report
from tests.company.deeds import CONCLUSION, DECISION, approved, planned
from tests.company.harness import Company, Process, catalog_of
from tests.handlers.alerts_support import alert, grafana, notification

QUIET = catalog_of({"alerts": {"channel": "ops"}})


async def hear(process: Process, *alerts: dict[str, Any], group: str = "g") -> Any:
    """Take in one notification."""
    body = json.dumps(notification(*alerts, group=group)).encode()
    return await Inbox(process.context).receive("alertmanager", body)


async def told(process: Process, incident: Incident) -> list[list[tuple[str, bool]]]:
    """What every event about alerts says: names, and whether they have ended."""
    return [
        [(one.name, one.ended_at is not None) for one in item.event.alerts]
        for item in await process.journal.events(incident.id)
        if isinstance(item.event, e.AlertReceived)
    ]


async def declared(process: Process, opened: str, by: str = "ana") -> Incident:
    """Submit and declare what was opened."""
    draft = await assess.load(process.context, opened)
    assert draft.figures is not None
    filled = Assessment(service="checkout", figures=draft.figures)
    await assess.submit(process.context, opened, filled)
    incident = await declare.declare(
        process.context,
        draft_id=opened,
        decision=DECISION,
        actor=process.company.actor(by),
        target_release=None,
        request_id="view/1",
    )
    return await process.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)


async def opened(process: Process, prefill_id: str = "") -> str:
    """Open the assessment."""
    company = process.company
    draft = await assess.begin(
        process.context,
        draft_id=assess.new_draft_id(),
        service="checkout",
        actor=company.actor("ana"),
        asked_in=company.ops.id,
        prefill_id=prefill_id,
    )
    return draft.id


def ago(company: Company, minutes: float) -> datetime:
    """So many minutes before now."""
    return company.clock.now() - timedelta(minutes=minutes)


async def test_each_beginning_and_each_end_stands_in_the_record_once(company: Company) -> None:
    process = await company.process(catalog=QUIET)
    incident = await planned(process)
    start = company.clock.now()
    slow = alert(start=start, name="SlowAnswers")
    for _ in range(3):
        await hear(process, alert(start=start))
        await company.clock.advance(60)
    await hear(process, alert(start=start), slow)
    # Another grouping, and the word of a member whose clock is a little behind.
    await hear(process, alert(start=start - timedelta(seconds=2)), group="other")
    ended = company.clock.now()
    for _ in range(2):
        await hear(process, alert(start=start, end=ended), slow)
    assert await told(process, incident) == [
        [("HighErrorRate", False)],
        [("SlowAnswers", False)],
        [("HighErrorRate", True)],
    ]
    await company.clock.advance(300)
    await hear(process, alert(start=company.clock.now()), slow)
    assert (await told(process, incident))[3:] == [[("HighErrorRate", False)]]
    assert company.incidents[incident.id].phase is Phase.AWAITING_APPROVAL


async def test_killed_between_the_card_and_the_record_the_next_word_completes_it(
    company: Company,
) -> None:
    process = await company.process(catalog=QUIET)
    incident = await planned(process)
    fires = alert(start=company.clock.now())
    process.life.die_at("after enqueue", process.life.counts.get("after enqueue", 0) + 1)
    with pytest.raises(asyncio.CancelledError):
        await hear(process, fires)
    await process.kill()
    other = await company.process(catalog=QUIET)
    assert await told(other, incident) == []
    await company.clock.advance(15)
    for _ in range(2):
        await hear(other, fires)
    assert await told(other, incident) == [[("HighErrorRate", False)]]


async def test_an_alert_that_came_before_anybody_asked_is_what_detected_it(
    company: Company,
) -> None:
    process = await company.process(catalog=QUIET)
    start = ago(company, 3)
    await hear(process, alert(start=start, summary="One in five fails"))
    await company.clock.advance(60)
    draft = await opened(process)
    assessed = company.clock.now()
    await company.clock.advance(30)
    late = alert(start=company.clock.now(), name="NoOrders")
    await hear(process, late, group="late")
    incident = await declared(process, draft)
    said = incident.declared
    assert (said.assessed_at, [one.name for one in said.alerts]) == (assessed, ["HighErrorRate"])
    # What came in while the form was filled in is in the record too, and detected nothing.
    assert await told(process, incident) == [[("NoOrders", False)]]
    await hear(process, alert(start=start), late)
    assert len(await told(process, incident)) == 1
    noticed = said.noticed_by(None)
    assert noticed is not None
    assert noticed.started_at == start
    assert noticed.link == "http://prometheus.example.com/graph?g0.expr=up"
    report = build_report(incident, await process.journal.events(incident.id))
    assert (report.numbers.detected_at, report.numbers.detected_by) == (start, "HighErrorRate")
    assert "Detected by monitoring: alert HighErrorRate (critical) fires since" in (
        report.timeline[0].text
    )


async def test_an_alert_that_is_over_detected_nothing_unless_its_button_was_pressed(
    company: Company,
) -> None:
    process = await company.process(catalog=QUIET)
    start = ago(company, 3)
    await hear(process, alert(start=start))
    await hear(process, alert(start=start, end=company.clock.now()))
    (document,) = await process.store.documents("alert")
    without = await assess.load(process.context, await opened(process))
    pressed = await assess.load(process.context, await opened(process, document.id))
    assert without.alerts == ()
    assert [one.started_at for one in pressed.alerts] == [start]


async def test_an_end_after_the_report_is_written_down_and_opens_nothing(company: Company) -> None:
    process = await company.process(catalog=QUIET)
    incident = await approved(process, await planned(process))
    start = company.clock.now()
    await hear(process, alert(start=start))
    incident = await company.until(incident, lambda i: i.phase is Phase.RECOVERED)
    await conclude.resolve(
        process.context,
        incident.id,
        conclusion=CONCLUSION,
        actor=company.actor("ben"),
        request_id="resolve",
    )
    incident = await company.until(incident, lambda i: i.report is not None)
    fresh = alert(start=company.clock.now(), name="Other")
    await hear(process, alert(start=start, end=company.clock.now()), fresh)
    assert await told(process, incident) == [[("HighErrorRate", False)], [("HighErrorRate", True)]]
    assert not company.incidents[incident.id].is_open


async def test_grafana_leads_to_its_panel_and_no_address_with_credentials_is_kept(
    company: Company,
) -> None:
    process = await company.process(catalog=QUIET)
    incident = await planned(process)
    body = grafana(company.clock.now())
    body["alerts"][0] |= {
        "dashboardURL": "https://ana:secret@grafana.example.com/d/1",
        "panelURL": None,
        "generatorURL": "https://grafana.example.com/alerting/1/edit",
    }
    await Inbox(process.context).receive("alertmanager", json.dumps(body).encode())
    (heard,) = (await process.journal.load(incident.id)).alerts
    assert (heard.source, heard.link) == ("Grafana", "https://grafana.example.com/alerting/1/edit")


async def test_an_incident_without_a_channel_hears_of_alerts_that_are_told_nowhere(
    company: Company,
) -> None:
    nowhere = catalog_of({"updates": {"channels": []}})
    process = await company.process(catalog=nowhere)
    start = company.clock.now()
    answer = await hear(process, alert("search", start=start))
    assert answer["services"][0]["outcome"] == "ignored"
    incident = await declare.declare_at_terminal(
        process.context,
        service="search",
        strategy=None,
        target_release=None,
        reason="Slack is down",
        operator=company.actor("ben"),
    )
    assert [one.started_at for one in incident.declared.alerts] == [start]
    answer = await hear(process, alert("search", start=start, end=start))
    assert answer["services"][0]["outcome"] == "resolved"
    assert await told(process, incident) == [[("HighErrorRate", True)]]
