"""The home tab as people see it: drawn when opened, refreshed when something changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from bot.communication import ids
from bot.core.errors import TemporaryError
from bot.home.home import KIND, LATELY, MOST_VISITORS, PAUSE, Homes
from bot.incident import events as e
from handlers.desk import Desk
from sandbox.slack.base.accounts import User
from tests.company.deeds import CONCLUSION, planned
from tests.company.harness import Company, catalog_of
from tests.handlers.conftest import Front, open_front


@pytest.fixture
async def desk_of(company: Company) -> AsyncIterator[tuple[Front, Desk]]:
    """A running bot that keeps home tabs up to date."""
    front, web, desk = await open_front(company, catalog_of({"assessment": {"patience": "100ms"}}))
    front.process.changes.listen(desk.homes.changed)
    refreshing = asyncio.create_task(desk.homes.run())
    yield front, desk
    refreshing.cancel()
    await asyncio.gather(refreshing, return_exceptions=True)
    await desk.stop()
    await web.stop()


async def _opened(front: Front, name: str) -> str:
    """What a person sees who opens the tab."""
    person = front.person(name)
    before = person.home
    person.open_home()
    await person.wait_for(lambda: person.home is not None and person.home is not before)
    return _seen(front, name)


def _seen(front: Front, name: str) -> str:
    home = front.person(name).home
    assert home is not None
    return front.company.slack.workspace.render(home)


async def test_the_tab_says_what_waits_for_whom(desk_of: tuple[Front, Desk]) -> None:
    front, _ = desk_of
    incident = await planned(front.process)
    assert f"{incident.id}* checkout in #inc-2026-001-checkout: read the plan" in (
        await _opened(front, "ben")
    )
    # Ana asked for it, Dan may approve after the escalation, Eve has no part in it.
    assert "Nothing waits for you." in await _opened(front, "ana")
    assert "your approval counts from" in await _opened(front, "dan")
    seen = await _opened(front, "eve")
    assert "Nothing waits for you." in seen
    assert f"*{incident.id}*" in seen


async def test_whoever_opened_it_lately_sees_what_changes(desk_of: tuple[Front, Desk]) -> None:
    front, _ = desk_of
    company = front.company
    await _opened(front, "ben")
    incident = await planned(front.process)
    await company.clock.advance(2 * PAUSE)
    assert "Waiting for approval" in _seen(front, "ben")
    resolved = e.Resolved(by=company.actor("ben"), conclusion=CONCLUSION)
    await front.process.journal.add(incident.id, resolved)
    await company.clock.advance(2 * PAUSE)
    seen = _seen(front, "ben")
    assert "No incident is open." in seen
    assert "immediate (P0): no rollback ran." in seen
    assert front.person("eve").home is None


async def test_what_looks_the_same_is_not_published_again_and_visits_end(
    desk_of: tuple[Front, Desk],
) -> None:
    front, desk = desk_of
    await _opened(front, "ben")
    published = front.company.calls("views.publish")
    await desk.homes.refresh()
    assert front.company.calls("views.publish") == published
    await planned(front.process)
    long_ago = front.company.clock.now() - LATELY
    for kept in await front.process.store.documents(KIND):
        old = kept.model_copy(update={"body": {"at": long_ago.isoformat()}})
        await front.process.store.put(old)
    await desk.homes.refresh()
    assert front.company.calls("views.publish") == published


async def test_only_the_last_visitors_are_kept_up_to_date(desk_of: tuple[Front, Desk]) -> None:
    front, desk = desk_of
    for n in range(MOST_VISITORS + 2):
        user = User(id=f"U0VISIT{n:03}", name=f"visitor{n}", real_name="", email="")
        front.company.slack.workspace.add_user(user)
        await desk.homes.opened(user.id)
        await front.company.clock.advance(1)
    before = front.company.calls("views.publish")
    await planned(front.process)
    await front.company.clock.advance(2 * PAUSE)
    rounds, rest = divmod(front.company.calls("views.publish") - before, MOST_VISITORS)
    assert (rest, 1 <= rounds <= 3) == (0, True)


async def test_a_button_opens_the_assessment_and_a_refusal_reaches_the_person(
    desk_of: tuple[Front, Desk],
) -> None:
    front, _ = desk_of
    await _opened(front, "ana")
    ana = front.person("ana")
    assert ana.home is not None
    assert (await ana.press(ana.home, ids.ASSESS, value="payments")).ok
    assert "live figures" in await front.modal("ana")
    outdated = replace(
        ana.home, body=json.loads(json.dumps(ana.home.body).replace("search", "gone"))
    )
    assert (await ana.press(outdated, ids.ASSESS, value="gone")).ok
    await front.company.clock.settle()
    (told,) = ana.sees(ana.direct_channel)
    assert "There is no service “gone” in the catalog." in told.plain


async def test_a_store_that_fails_is_neither_felt_by_slack_nor_for_long(
    desk_of: tuple[Front, Desk],
) -> None:
    front, _ = desk_of
    front.process.store.fail_next(TemporaryError("The store is busy."), times=1)
    ana = front.person("ana")
    ana.open_home()
    await front.company.clock.settle()
    assert ana.home is None
    assert "No incident is open." in await _opened(front, "ana")


async def test_corrective_actions_find_their_owners_by_id_name_and_address(
    desk_of: tuple[Front, Desk],
) -> None:
    front, _ = desk_of
    company, process = front.company, front.process
    incident = await planned(process)
    address = front.person("carla").user.email
    actions = (
        e.CorrectiveAction(text="Test two currencies", owner=front.person("ana").id),
        e.CorrectiveAction(text="Load-test the pool", owner=company.actor("ben").name.upper()),
        e.CorrectiveAction(text="Alert on waiting", owner=f"nobody@example.com, {address}"),
    )
    conclusion = CONCLUSION.model_copy(update={"corrective_actions": actions})
    resolved = e.Resolved(by=company.actor("ben"), conclusion=conclusion)
    await process.journal.add(incident.id, resolved)
    for name, action in zip(("ana", "ben", "carla"), actions, strict=True):
        seen = await _opened(front, name)
        assert [item.text in seen for item in actions] == [item is action for item in actions], name
    await process.journal.add(incident.id, e.ActionDone(index=0, by=company.actor("ana")))
    assert "Nothing waits for you." in await _opened(front, "ana")


async def test_the_history_and_the_tab_say_the_same_figures(desk_of: tuple[Front, Desk]) -> None:
    front, _ = desk_of
    await planned(front.process)
    ana = front.person("ana")
    typed = await ana.command("/rollback history", channel="ops")
    of_one = await ana.command("/rollback history Checkout", channel="ops")
    of_other = await ana.command("/rollback history search", channel="ops")
    unknown = await ana.command("/rollback history serch", channel="ops")
    seen = await _opened(front, "ana")
    for said in (typed, of_one):
        assert said.message is not None
        assert "INC-2026-001" in said.message.plain
        assert "0 of 0" in said.message.plain
    assert "0 of 0" in seen
    assert "Change-fail rate" in seen
    assert of_other.message is not None
    assert "There has been no incident of search yet." in of_other.message.plain
    assert unknown.message is not None
    assert "Did you mean" in unknown.message.plain


async def test_an_answer_that_comes_late_is_an_answer_still(
    desk_of: tuple[Front, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    front, _ = desk_of
    monkeypatch.setattr("handlers.commands.ACK_SECONDS", 0.0)
    ana = front.person("ana")
    result = await ana.command("/rollback status", channel="ops")
    assert result.ok
    assert result.message is None
    await ana.wait_for(lambda: bool(front.whispers("ana")))
    assert "No incident is open" in front.whispers("ana")[0].plain


async def test_the_tab_with_messages_draws_nothing(desk_of: tuple[Front, Desk]) -> None:
    front, _ = desk_of
    front.person("ana").open_home(tab="messages")
    await front.company.clock.settle()
    assert front.company.calls("views.publish") == 0


async def test_a_tab_that_cannot_be_shown_keeps_nobody_elses_from_being_shown(
    desk_of: tuple[Front, Desk],
) -> None:
    front, desk = desk_of
    shown: list[str] = []
    troubles = {"U0A": TemporaryError("Slack stumbles."), "U0B": ValueError("A defect.")}

    async def publish(user_id: str, view: dict[str, Any]) -> None:
        if user_id in troubles:
            raise troubles[user_id]
        shown.append(user_id)

    homes = Homes(front.process.context, desk.records, publish)
    for user_id in ("U0C", "U0B", "U0A"):
        with suppress(TemporaryError, ValueError):
            await homes.opened(user_id)
        await front.company.clock.advance(1)
    await planned(front.process)
    await homes.refresh()
    assert shown == ["U0C", "U0C"]
