"""After the report: questions until everything is done, the reminder, and a moved meeting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from bot.core.errors import RefusedError
from bot.engine.journal import Decision
from bot.incident import events as e
from bot.incident.state import Incident
from bot.judge.counts import Judgement, RecoveryVerdict
from bot.paperwork import follow_up, post_mortem
from bot.paperwork.model import identity
from bot.paperwork.papers import KIND
from bot.store.values import Lease
from sandbox.github.faults import Fault
from sandbox.github.server import GitHubServer
from tests.company.deeds import history
from tests.company.harness import Company, Process
from tests.company.office import ACTIONS, SHOP, abandoned, catalog_with, resolve, stock, told

ASKED = "How does this corrective action stand?"
DUE = e.CorrectiveAction(text="Alert on refunds", owner="ben", due=date(2026, 3, 5))


@pytest.fixture
async def github(company: Company) -> AsyncIterator[GitHubServer]:
    """GitHub, with the shop's code."""
    server = GitHubServer(clock=company.clock.timestamp)
    stock(server, now=company.clock.now())
    await server.start()
    yield server
    await server.stop()


async def later(process: Process, moment: datetime) -> Process:
    """A new process at a later time: days pass at once while none runs."""
    company = process.company
    await process.stop()
    await company.clock.advance_to(moment)
    successor = await company.process(catalog=process.catalog)
    await follow_up.look(successor.context)
    await company.clock.advance(10)
    return successor


async def finish(process: Process, incident: Incident, index: int, actor: str = "eve") -> Incident:
    """Somebody presses the button below a question."""
    incident = process.company.incidents[incident.id]
    assert incident.conclusion is not None
    return await follow_up.done(
        process.context,
        incident.id,
        index=index,
        known_as=identity(incident, incident.conclusion.corrective_actions[index]),
        actor=process.company.actor(actor),
        request_id=f"click/{index}",
    )


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of the week after the incident, which is resolved on Monday, 2 March, at noon."""
    return datetime.fromisoformat(f"2026-03-{day:02}T{hour:02}:{minute:02}:00+00:00")


async def test_an_action_is_asked_after_when_due_and_every_week_until_it_is_done(
    company: Company,
) -> None:
    process = await company.process()
    incident = await resolve(process, await abandoned(process), DUE)
    process = await later(process, at(5, 8, 59))
    assert told(process, incident, ASKED) == []
    process = await later(process, at(5, 9, 1))
    await follow_up.look(process.context)
    await company.clock.advance(10)
    (asked,) = told(process, incident, ASKED)
    assert "Alert on refunds" in asked
    process = await later(process, at(12, 9, 1))
    assert len(told(process, incident, ASKED)) == 2
    incident = await finish(process, incident, 0)
    process = await later(process, at(19, 9, 1))
    assert len(told(process, incident, ASKED)) == 2
    assert await process.store.documents(KIND) == ()


async def test_a_closed_issue_is_a_done_action(company: Company, github: GitHubServer) -> None:
    process = await company.process(catalog=catalog_with(github))
    incident = await resolve(process, await abandoned(process), *ACTIONS)
    first, _ = github.repositories[SHOP].issues
    first.state = "closed"
    process = await later(process, at(9, 9, 1))
    incident = company.incidents[incident.id]
    assert [index for index, state in incident.actions.items() if state.done_at] == [0]
    (asked,) = told(process, incident, ASKED)
    assert "Alert on refunds" in asked
    assert "/issues/2" in asked
    await finish(process, incident, 1)
    await follow_up.look(process.context)
    assert await process.store.documents(KIND) == ()


async def test_the_action_of_a_deleted_issue_is_dropped_and_that_is_said_once(
    company: Company, github: GitHubServer
) -> None:
    process = await company.process(catalog=catalog_with(github))
    incident = await resolve(process, await abandoned(process), *ACTIONS)
    gone = Fault(status=410, message="This issue was deleted", path="/issues/", times=None)
    github.faults.order(gone)
    process = await later(process, at(3, 9, 1))
    assert len(told(process, incident, "Somebody deleted the issue")) == len(ACTIONS)
    asked = github.calls("GET /repos/acme/shop/issues/")
    process = await later(process, at(16, 9, 1))
    assert github.calls("GET /repos/acme/shop/issues/") == asked
    assert told(process, incident, ASKED) == []
    assert await process.store.documents(KIND) == ()
    incident = await finish(process, incident, 0)
    assert incident.actions[0].done_at is not None


async def test_an_issue_out_of_sight_is_looked_for_a_week_and_people_are_asked_on(
    company: Company, github: GitHubServer
) -> None:
    process = await company.process(catalog=catalog_with(github))
    incident = await resolve(process, await abandoned(process), ACTIONS[0])
    hidden = Fault(status=404, message="Not Found", path="/issues/", times=None)
    github.faults.order(hidden)
    process = await later(process, at(3, 9, 1))
    github.faults.clear()
    process = await later(process, at(4, 9, 1))
    github.faults.order(hidden)
    for day in (5, 11):
        process = await later(process, at(day, 10))
    lost = "is not to be seen any more"
    assert told(process, incident, lost) == []
    process = await later(process, at(12, 10, 1))
    (said,) = told(process, incident, lost)
    assert "/issues/1" in said
    seen = github.calls("GET /repos/acme/shop/issues/")
    questions = len(told(process, incident, ASKED))
    process = await later(process, at(23, 9, 1))
    assert github.calls("GET /repos/acme/shop/issues/") == seen
    assert len(told(process, incident, ASKED)) == questions + 1
    assert "or close the issue" not in told(process, incident, ASKED)[-1]


async def test_two_processes_ask_once(company: Company) -> None:
    process = await company.process()
    incident = await resolve(process, await abandoned(process), DUE)
    process = await later(process, at(5, 9, 1))
    other = await company.process()
    await follow_up.look(other.context)
    await follow_up.look(process.context)
    await company.clock.advance(10)
    assert len(told(process, incident, ASKED)) == 1
    assert (await history(process, incident)).count("action_asked") == 1


async def test_a_question_about_an_action_that_is_none_any_more_changes_nothing(
    company: Company,
) -> None:
    process = await company.process()
    incident = await resolve(process, await abandoned(process), DUE)
    with pytest.raises(RefusedError, match="not among the incident's actions"):
        await follow_up.done(
            process.context,
            incident.id,
            index=0,
            known_as="0123456789ab",
            actor=company.actor("ana"),
            request_id="click/1",
        )
    await finish(process, incident, 0)
    assert (await history(process, incident)).count("action_done") == 1


async def test_the_channel_is_reminded_of_the_meeting_once(company: Company) -> None:
    process = await company.process()
    incident = await resolve(process, await abandoned(process))
    meeting = incident.post_mortem
    assert meeting is not None
    process = await later(process, meeting.start - timedelta(minutes=61))
    assert told(process, incident, "begins at") == []
    process = await later(process, meeting.start - timedelta(minutes=59))
    await follow_up.look(process.context)
    await company.clock.advance(10)
    (reminder,) = told(process, incident, "begins at")
    assert "<@U0ANA000001>" in reminder or "ana" in reminder
    assert await process.store.documents(KIND) == ()


async def test_nobody_is_reminded_of_a_meeting_that_has_begun(company: Company) -> None:
    process = await company.process()
    incident = await resolve(process, await abandoned(process))
    meeting = incident.post_mortem
    assert meeting is not None
    process = await later(process, meeting.start + timedelta(minutes=1))
    assert told(process, incident, "begins at") == []
    assert await process.store.documents(KIND) == ()


async def test_a_moved_meeting_is_announced_and_reminded_of_at_its_new_time(
    company: Company,
) -> None:
    process = await company.process()
    incident = await resolve(process, await abandoned(process))
    meeting = incident.post_mortem
    assert meeting is not None
    process = await later(process, meeting.start - timedelta(minutes=30))
    moved = await post_mortem.move(
        process.context,
        incident.id,
        start=meeting.start + timedelta(days=1),
        minutes=meeting.minutes,
        actor=company.actor("ben"),
        request_id="view/move",
    )
    assert moved.post_mortem is not None
    assert (moved.post_mortem.sequence, moved.post_mortem.by) == (1, company.actor("ben"))
    await company.clock.advance(10)
    assert len(told(process, incident, "The post-mortem is moved")) == 1
    process = await later(process, moved.post_mortem.start - timedelta(minutes=30))
    assert len(told(process, incident, "begins at")) == 2
    files = await process.store.attachments(incident.id)
    assert {name for name in files if name.endswith(".ics")} == {
        "INC-2026-001-post-mortem.ics",
        "INC-2026-001-post-mortem-2.ics",
    }


async def test_strangers_and_the_past_are_refused(company: Company) -> None:
    process = await company.process()
    incident = await resolve(process, await abandoned(process))
    for actor, start, why in (
        ("eve", company.clock.now() + timedelta(days=1), "not in the team"),
        ("ana", company.clock.now() - timedelta(minutes=1), "is over"),
    ):
        with pytest.raises(RefusedError, match=why):
            await post_mortem.move(
                process.context,
                incident.id,
                start=start,
                minutes=60,
                actor=company.actor(actor),
                request_id=f"view/{actor}",
            )


async def test_an_incident_that_relapsed_waits_and_gets_its_papers_anew(
    company: Company, github: GitHubServer
) -> None:
    process = await company.process(catalog=catalog_with(github))
    incident = await resolve(process, await abandoned(process), DUE)
    judgement = Judgement(
        verdict=RecoveryVerdict.NOT_RECOVERED, reasons=("5% errors",), requests=100, errors=5
    )
    relapsed = e.Relapsed(judgement=judgement, since=company.clock.now())
    await process.journal.record(incident.id, lambda _: Decision(events=(relapsed,), reopens=True))
    process = await later(process, at(5, 9, 1))
    assert told(process, incident, ASKED) == []
    before = incident.post_mortem
    incident = await resolve(process, company.incidents[incident.id], DUE)
    assert before is not None
    assert incident.post_mortem is not None
    assert incident.post_mortem.start > at(6, 9)
    assert incident.post_mortem.sequence == before.sequence + 1
    assert len(github.repositories[SHOP].issues) == 1
    assert incident.actions[0].url.endswith("/issues/1")
    body = github.repositories[SHOP].releases[0].body or ""
    assert body.count("## Rollback Summary") == 1


async def test_while_nothing_is_to_be_done_a_look_writes_nothing(company: Company) -> None:
    process = await company.process()
    await resolve(process, await abandoned(process), DUE)
    process = await later(process, at(3, 8))
    acquired: list[str] = []
    acquire = process.store.acquire

    async def counted(name: str, **options: Any) -> Lease | None:
        acquired.append(name)
        return await acquire(name, **options)

    process.store.acquire = counted  # type: ignore[method-assign] # to see what is written
    await follow_up.look(process.context)
    assert acquired == []


async def test_killed_behind_a_move_the_channel_is_reminded_all_the_same(
    company: Company,
) -> None:
    process = await company.process()
    incident = await resolve(process, await abandoned(process))
    process = await later(process, at(4, 0))
    await process.store.delete(KIND, incident.id)
    process.life.die_at("after append", process.life.counts.get("after append", 0) + 1)
    with suppress(asyncio.CancelledError):
        await post_mortem.move(
            process.context,
            incident.id,
            start=at(5, 10),
            minutes=60,
            actor=company.actor("ana"),
            request_id="view/1",
        )
    await process.kill()
    successor = await company.process()
    company.saw(await successor.journal.load(incident.id))
    successor = await later(successor, at(5, 9, 50))
    assert company.incidents[incident.id].post_mortem_reminded
