"""Duties: carried out once, resumed by whoever comes next, and never by two at a time."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from bot.core.errors import PermanentError, TemporaryError
from bot.engine import releases
from bot.engine.engine import LEASE_TTL
from bot.entry.assembly import RECONCILE
from bot.incident import events as e
from bot.incident.state import Incident, Phase
from bot.store.values import Batch
from tests.company.deeds import approved, declare, history, planned
from tests.company.harness import Company, Process, catalog_of
from tests.company.shop import BAD, GOOD, HANG

SHORT = catalog_of(
    {
        "verification": {
            "checkpoints": ["10s", "20s", "30s"],
            "judge": {"bucket_seconds": 5, "margin": 0.05},
            "baseline_window": "10m",
        }
    }
)
FULL = [
    "declared",
    "channel_opened",
    "team_assigned",
    "evidence_saved",
    "plan_proposed",
    "approval_given",
    "plan_approved",
    "execution_started",
    *["step_started", "step_finished"] * 3,
    "execution_finished",
    "verification_started",
    "instances_checked",
    *["sample_taken"] * 3,
    "judged",
    "freeze_set",
]
DECISIONS = 19
"""Written between the declaration and the verdict."""


async def _to_the_end(company: Company, incident: Incident) -> Process:
    """Start a process and let it bring the incident to its verdict; ben approves."""
    process = await company.process(catalog=SHORT, sends=False)
    company.saw(await process.journal.load(incident.id))
    state = await company.until(incident, _waits_for_people)
    if state.phase is Phase.AWAITING_APPROVAL:
        await approved(process, incident)
        await company.until(incident, lambda i: i.frozen_for)
    return process


def _waits_for_people(incident: Incident) -> bool:
    return incident.phase is Phase.AWAITING_APPROVAL or bool(incident.frozen_for)


def _once(kinds: list[str]) -> list[str]:
    """A history without repeated intents: a resumed step says again that it begins."""
    return [k for n, k in enumerate(kinds) if k != "step_started" or kinds[n - 1] != k]


async def test_a_journey_without_trouble_has_this_history(company: Company) -> None:
    process = Process(company, catalog=SHORT, sends=False)
    company.processes.append(process)
    await process.start()
    incident = await planned(process)
    await approved(process, incident)
    await company.until(incident, lambda i: i.frozen_for)
    assert await history(process, incident) == FULL
    assert process.life.counts["before append"] == DECISIONS
    assert company.incidents[incident.id].phase is Phase.RECOVERED


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        # Whatever was done for a decision is done, but the decision is not written.
        *(("before append", number) for number in range(1, DECISIONS + 1)),
        # It is written, but whoever wrote it never hears of that.
        *(("after append", number) for number in (1, 4, 5, 7, DECISIONS)),
    ],
)
async def test_killed_around_any_decision_another_process_comes_to_the_same_end(
    company: Company, moment: str, number: int
) -> None:
    first = await company.process(catalog=SHORT, sends=False)
    incident = await declare(first)
    first.life.die_at(moment, number)
    await _approve_if_alive(first, incident)
    await company.clock.run_until(lambda: not first.life.alive)
    await first.kill()

    second = await _to_the_end(company, incident)
    state = company.incidents[incident.id]
    assert _once(await history(second, incident)) == FULL
    assert state.phase is Phase.RECOVERED
    assert [c.name for c in company.slack.workspace.channels if c.name.startswith("inc-")] == [
        "inc-2026-001-checkout"
    ]
    assert (company.shop.calls("act switch"), company.shop.calls("act cache")) == (1, 1)


async def _approve_if_alive(process: Process, incident: Incident) -> None:
    """Approve as soon as there is a plan; the click may be what kills the process."""
    company = process.company
    await company.clock.run_until(
        lambda: (
            not process.life.alive
            or company.incidents[incident.id].phase is Phase.AWAITING_APPROVAL
        )
    )
    if process.life.alive:
        with suppress(asyncio.CancelledError):
            await approved(process, incident)


async def test_a_failing_duty_is_noted_on_the_card_and_taken_back_when_it_works(
    company: Company,
) -> None:
    company.slack.faults.server_error("conversations.create", times=3)
    company.slack.faults.server_error("conversations.list", times=3)
    process = await company.process(sends=False)
    incident = await declare(process)
    state = await company.until(incident, lambda i: i.notes)
    assert state.notes[0].subject == "duty assemble"
    assert "500" in state.notes[0].what
    assert state.notes[0].remedy == "The bot keeps trying."
    state = await company.until(incident, lambda i: i.channel and not i.notes)
    assert state.channel is not None


async def test_a_note_of_a_process_that_died_is_taken_back_by_its_successor(
    company: Company,
) -> None:
    company.slack.faults.server_error("conversations.create", times=None)
    first = await company.process(sends=False)
    incident = await declare(first)
    await company.until(incident, lambda i: i.notes)
    await first.kill()
    company.slack.faults.clear()
    await company.process(sends=False)
    state = await company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    assert state.notes == ()


async def test_a_defect_in_a_phase_is_noted_without_its_secrets_and_tried_again(
    company: Company,
) -> None:
    company.shop.script["instances"] = [ValueError("token xoxb-1-2-3")]
    process = await company.process(catalog=SHORT, sends=False)
    incident = await planned(process)
    await approved(process, incident)
    state = await company.until(incident, lambda i: i.notes)
    assert state.notes[0].what == "An unexpected error (ValueError) interrupted “verify”."
    assert "log" in state.notes[0].remedy
    state = await company.until(incident, lambda i: i.frozen_for)
    assert state.notes == ()


async def test_a_failing_duty_is_tried_ever_more_slowly(company: Company) -> None:
    company.slack.faults.server_error("conversations.create", times=None)
    process = await company.process(sends=False)
    await declare(process)
    await company.clock.advance(63)
    # At once, and after 1, 2, 4, 8, 16 and 32 seconds.
    assert company.calls("conversations.create") == 7
    # However often it failed, it is tried every minute.
    await company.clock.advance(3 * 60)
    assert company.calls("conversations.create") == 10


async def test_while_one_process_works_another_does_nothing(company: Company) -> None:
    company.shop.script["confirm switch"] = [HANG]
    first = await company.process(sends=False)
    second = await company.process(sends=False)
    incident = await planned(first)
    await approved(first, incident)
    await company.clock.run_until(lambda: company.shop.calls("confirm switch"))
    before = await history(first, incident)
    await company.clock.advance(300)
    assert company.shop.calls("observe switch") == 1
    assert await history(second, incident) == before


async def test_after_a_death_another_process_takes_over_when_the_lease_has_expired(
    company: Company,
) -> None:
    company.shop.script["confirm switch"] = [HANG]
    first = await company.process(sends=False)
    second = await company.process(sends=False, reconcile=RECONCILE)
    incident = await planned(first)
    await approved(first, incident)
    await company.clock.run_until(lambda: company.shop.calls("confirm switch"))
    died_at = company.clock.now()
    await first.kill()
    await company.until(incident, lambda i: i.phase is Phase.VERIFYING)
    waited = company.clock.now() - died_at
    assert LEASE_TTL - timedelta(seconds=10) <= waited <= LEASE_TTL + RECONCILE
    assert second.life.alive


async def test_a_process_that_lost_its_lease_writes_no_more(company: Company) -> None:
    company.shop.script["confirm switch"] = [HANG]
    first = await company.process(sends=False)
    incident = await planned(first)
    await approved(first, incident)
    await company.clock.run_until(lambda: company.shop.calls("confirm switch"))
    lease = await first.store.acquire(
        f"incident:{incident.id}",
        owner="another",
        ttl=LEASE_TTL,
        now=company.clock.now() + LEASE_TTL * 2,
    )
    assert lease is not None
    before = await history(first, incident)
    company.shop.release("confirm switch")
    await company.clock.settle()
    assert await history(first, incident) == before
    # Once the other one gives it back, the work goes on from the events.
    await first.store.release(lease)
    await company.until(incident, lambda i: i.phase is Phase.VERIFYING)
    assert company.shop.calls("act switch") == 1


async def test_a_store_that_does_not_answer_is_asked_again_later(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await declare(process)
    process.store.fail_next(TemporaryError("The store is busy."), times=6)
    state = await company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    assert state.notes == ()


async def test_a_defect_in_recording_itself_is_logged_and_tried_again(
    company: Company, logs: list[MutableMapping[str, Any]]
) -> None:
    process = await company.process(sends=False)
    incident = await declare(process)
    process.store.fail_next(ValueError("a defect"), times=8)
    await company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    assert "incident left after an unexpected error" in [entry["event"] for entry in logs]


async def test_a_stopped_engine_begins_nothing_new(company: Company) -> None:
    process = await company.process(sends=False)
    await process.engine.stop()
    incident = await declare(process)
    await company.clock.advance(60)
    assert await history(process, incident) == ["declared"]


async def test_a_plan_that_cannot_be_made_waits_for_people_with_the_reason(
    company: Company,
) -> None:
    company.shop.script["plan"] = [PermanentError("There is nowhere to go.", "Release a fix.")]
    process = await company.process(sends=False)
    incident = await declare(process)
    state = await company.until(incident, lambda i: i.phase is Phase.PLANNING_FAILED)
    assert state.planning_failure is not None
    assert state.planning_failure.what == "There is nowhere to go."
    assert state.planning_failure.remedy == "Release a fix."


async def test_evidence_that_cannot_be_kept_is_noted_and_stops_nothing(company: Company) -> None:
    company.shop.script["evidence"] = [TemporaryError("No logs.")]
    process = await company.process(sends=False)
    state = await planned(process)
    assert [note.subject for note in state.notes] == ["evidence"]
    assert "No logs." in state.notes[0].what


async def test_the_released_versions_are_remembered(company: Company) -> None:
    process = await company.process(catalog=SHORT, sends=False)
    incident = await planned(process)
    await approved(process, incident)
    await company.until(incident, lambda i: i.frozen_for)
    marked = await releases.marks(process.context, "checkout")
    assert marked.bad == {BAD}
    assert marked.good == (GOOD,)


async def test_an_incident_that_cannot_be_read_stops_no_other(company: Company) -> None:
    first = await company.process(catalog=SHORT, sends=False)
    now = company.clock.now()
    torn = Batch(events=(e.Noted(subject="x", what="An incident does not begin like this."),))
    await first.store.declare(service="payments", now=now, make=lambda _: torn)
    incident = await declare(first)
    await first.kill()
    await company.process(catalog=SHORT, sends=False)
    state = await company.until(incident, lambda i: i.updates)
    assert state.phase is Phase.AWAITING_APPROVAL


async def test_a_duty_that_is_refused_for_good_is_said_on_the_card(company: Company) -> None:
    first = await company.process(catalog=SHORT, sends=False)
    incident = await planned(first)
    await approved(first, incident)
    await company.until(incident, lambda i: i.phase is Phase.VERIFYING)
    await first.kill()
    services = {"payments": SHORT.services["payments"].model_dump(mode="json")}
    await company.process(catalog=catalog_of({"services": services}), sends=False)
    state = await company.until(incident, lambda i: i.notes)
    assert state.notes[0].subject == "duty verify"
    assert "no service “checkout” in the catalog" in state.notes[0].what
