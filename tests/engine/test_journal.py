"""The only writer: decisions rest on the state that they are appended to."""

from __future__ import annotations

import asyncio

import pytest

from bot.core.errors import DuplicateRequestError, NotFoundError, RefusedError
from bot.engine.journal import Decision
from bot.incident import events as e
from bot.incident.state import Incident
from tests.company.deeds import CONCLUSION, declare, history
from tests.company.harness import Company, Process


@pytest.fixture
async def process(company: Company) -> Process:
    """A process that records and drives nothing by itself."""
    made = Process(company, sends=False)
    company.processes.append(made)
    await made.store.start()
    made.changes.listen(company.saw)
    return made


def _words(text: str, company: Company) -> e.WordsAdded:
    return e.WordsAdded(by=company.actor("ana"), text=text)


async def test_two_hundred_recorders_at_once_lose_nothing(
    company: Company, process: Process
) -> None:
    incident = await declare(process)

    async def add(number: int) -> None:
        await process.journal.add(incident.id, _words(f"word {number}", company))

    await asyncio.gather(*(add(number) for number in range(200)))
    state = await process.journal.load(incident.id)
    assert state.seq == 201
    assert sorted(w.text for w in state.words) == sorted(f"word {n}" for n in range(200))


async def test_a_decision_is_made_again_when_another_process_was_faster(
    company: Company, process: Process
) -> None:
    other = await company.process(sends=False)
    incident = await declare(process)
    seen = []

    def number_myself(state: Incident) -> Decision:
        seen.append(len(state.words))
        return Decision(events=(_words(f"{len(state.words) + 1}", company),))

    journals = [process.journal, other.journal] * 5
    await asyncio.gather(*(journal.record(incident.id, number_myself) for journal in journals))
    state = await process.journal.load(incident.id)
    assert [words.text for words in state.words] == [str(n) for n in range(1, 11)]
    assert len(seen) > 10


async def test_two_processes_deciding_at_once_give_one_winner(
    company: Company, process: Process
) -> None:
    other = await company.process(sends=False)
    incident = await declare(process)

    def once(state: Incident) -> Decision | None:
        return None if state.words else Decision(events=(_words("only once", company),))

    await asyncio.gather(
        process.journal.record(incident.id, once), other.journal.record(incident.id, once)
    )
    state = await process.journal.load(incident.id)
    assert [words.text for words in state.words] == ["only once"]


async def test_what_the_table_does_not_allow_is_refused_and_not_written(
    company: Company, process: Process
) -> None:
    incident = await declare(process)
    resolved = e.Resolved(by=company.actor("ana"), conclusion=CONCLUSION)
    with pytest.raises(RefusedError, match=r"being planned.*resolved"):
        await process.journal.add(incident.id, resolved)
    assert await history(process, incident) == ["declared"]


async def test_one_refused_event_keeps_the_whole_decision_out(
    company: Company, process: Process
) -> None:
    incident = await declare(process)
    events = (_words("first", company), e.ExecutionStarted(plan_hash="x"))
    with pytest.raises(RefusedError):
        await process.journal.add(incident.id, *events)
    assert await history(process, incident) == ["declared"]


async def test_the_same_request_is_carried_out_once(company: Company, process: Process) -> None:
    incident = await declare(process)

    async def click() -> None:
        decision = Decision(events=(_words("clicked", company),))
        await process.journal.record(incident.id, lambda _: decision, request_id="click/1")

    outcomes = await asyncio.gather(*(click() for _ in range(5)), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, DuplicateRequestError) for outcome in outcomes) == 4
    state = await process.journal.load(incident.id)
    assert len(state.words) == 1


async def test_a_second_declaration_by_the_same_request_is_told_apart_from_a_second_incident(
    process: Process,
) -> None:
    first = await declare(process)
    with pytest.raises(DuplicateRequestError):
        await declare(process)
    with pytest.raises(RefusedError, match=first.id):
        await declare(process, by="ben")


async def test_a_decision_to_do_nothing_writes_nothing(process: Process) -> None:
    incident = await declare(process)
    state = await process.journal.record(incident.id, lambda _: None)
    assert state.seq == 1


async def test_an_unknown_incident_is_named(process: Process) -> None:
    with pytest.raises(NotFoundError, match="INC-2026-999"):
        await process.journal.load("INC-2026-999")


async def test_listeners_hear_of_every_change_after_it_is_durable(
    company: Company, process: Process
) -> None:
    heard: list[int] = []
    process.changes.listen(lambda state: heard.append(state.seq))
    incident = await declare(process)
    await process.journal.add(incident.id, _words("a", company), _words("b", company))
    assert heard == [1, 3]


async def test_a_waiter_gets_the_first_state_that_fits(company: Company, process: Process) -> None:
    incident = await declare(process)
    waiting = asyncio.create_task(
        process.changes.wait(incident, lambda state: len(state.words) == 2, seconds=10)
    )
    await asyncio.sleep(0)
    for text in ("a", "b", "c"):
        await process.journal.add(incident.id, _words(text, company))
    assert len((await waiting).words) == 2
    with pytest.raises(TimeoutError):
        await process.changes.wait(incident, lambda state: len(state.words) == 9, seconds=0.01)


async def test_a_listener_that_fails_takes_neither_the_writer_nor_the_others_with_it(
    company: Company,
) -> None:
    process = await company.process(sends=False)
    heard: list[str] = []

    def fails(incident: Incident) -> None:
        raise ValueError("a defect")

    process.changes.listen(fails)
    process.changes.listen(lambda incident: heard.append(incident.id))
    incident = await declare(process)
    assert heard == [incident.id]
