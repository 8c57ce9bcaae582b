"""Watching instead of declaring; pausing, aborting, planning again; updates."""

from __future__ import annotations

from dataclasses import replace

from sandbox.cluster.base.resources import SERVICES
from sandbox.journey import Journey
from sandbox.witness import has_button
from tests.scenarios.checks import said_once
from tests.scenarios.conftest import BAD_REQUESTS, PACE, StartCompany


async def test_monitor_declares_nothing_and_comes_back_when_it_gets_worse(
    start: StartCompany,
) -> None:
    journey = await start()
    company = journey.company
    ana = journey.person("ana")
    await journey.open_assessment("ana")
    await journey.assess("ana", {})
    view = await journey.view(ana, lambda v: v.callback_id == "watch")
    assert "keep watching" in view.plain
    await ana.submit()
    assert not [c for c in company.slack.workspace.channels if c.name.startswith("inc-")]
    await company.release()
    told = await journey.message(lambda m: has_button(m, "assess"), ana.direct_channel)
    assert "checkout" in told.plain
    await ana.close(everything=True)
    await ana.press(told, "assess")
    await journey.view(ana, lambda v: v.callback_id == "assessment")


async def test_updates_keep_their_rhythm_over_a_restart(start: StartCompany) -> None:
    journey = await start(pace=replace(PACE, updates=2.0))
    company = journey.company
    await company.release()
    await company.measured(BAD_REQUESTS)
    await journey.until_declared("ana")
    await journey.text("Update 1", "status")
    await company.bot.kill()
    await company.start_bot()
    await journey.text("Update 2", "status")
    await journey.text("Update 3", "status")
    said_once(company)


async def test_words_of_a_person_are_in_the_next_update(start: StartCompany) -> None:
    journey = await start(pace=replace(PACE, updates=4.0))
    company = journey.company
    await company.release()
    await company.measured(BAD_REQUESTS)
    await journey.until_declared("ana")
    carla = journey.person("carla")
    card = await journey.message(lambda m: has_button(m, "open_words"))
    await carla.press(card, "open_words")
    await journey.view(carla, lambda v: v.callback_id == "words")
    await carla.fill_and_submit({"text": "The provider confirms it is not them <!channel>"})
    update = await journey.text("The provider confirms", "status")
    assert "🔔" not in update.plain


async def test_a_rejected_plan_can_be_made_again(bad_release: Journey) -> None:
    await bad_release.until_declared("ana")
    ben = bad_release.person("ben")
    card = await bad_release.plan_card()
    await ben.press(card, "open_reject")
    await bad_release.view(ben, lambda v: v.callback_id == "reject")
    await ben.fill_and_submit({"reason": "Wait for the database team"})
    await bad_release.text("Wait for the database team")
    again = await bad_release.message(lambda m: has_button(m, "open_replan"))
    await ben.press(again, "open_replan")
    await bad_release.view(ben, lambda v: v.callback_id == "replan")
    await ben.fill_and_submit({})
    await bad_release.plan_card()
    await bad_release.approve("ben")
    await bad_release.until_recovered()


async def test_the_rollback_is_taken_back_by_a_plan_that_somebody_approves(
    bad_release: Journey,
) -> None:
    company = bad_release.company
    await bad_release.until_declared("ana")
    await bad_release.approve("ben")
    await bad_release.until_recovered()
    card = await bad_release.message(lambda m: has_button(m, "undo"))
    await bad_release.person("ana").press(card, "undo")
    plan = await bad_release.message(lambda m: has_button(m, "approve") and "Undo" in m.plain)
    service = company.cluster.store.get(SERVICES, "shop", "checkout")
    assert service["spec"]["selector"]["version"] == "blue"
    await bad_release.approve("ben", plan)
    await company.cluster.until(
        lambda: (
            company.cluster.store.get(SERVICES, "shop", "checkout")["spec"]["selector"]
            == {"app": "checkout", "version": "green"}
        ),
        timeout=20,
    )
    await bad_release.text("not recovered")
