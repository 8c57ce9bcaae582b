"""Nothing is called recovered without proof."""

from __future__ import annotations

from sandbox.journey import Journey
from sandbox.witness import has_button
from tests.scenarios.conftest import BAD_REQUESTS, NORMAL_REQUESTS, StartCompany


async def _rolled_back(journey: Journey) -> None:
    await journey.until_declared("ana")
    await journey.approve("ben")


async def test_a_target_release_that_is_broken_too_is_not_recovered(start: StartCompany) -> None:
    journey = await start()
    company = journey.company
    await company.release()
    await company.measured(BAD_REQUESTS)
    # The release that was good has broken meanwhile, for example through its configuration.
    await company.break_blue()
    await _rolled_back(journey)
    card = await journey.text("not recovered")
    assert "above the limit" in company.slack.workspace.render(card)
    again = await journey.message(lambda m: has_button(m, "verify_again"))
    assert has_button(again, "open_replan")


async def test_traffic_that_stopped_is_inconclusive(bad_release: Journey) -> None:
    company = bad_release.company
    await bad_release.until_declared("ana")
    company.load.pause()
    await bad_release.approve("ben")
    await bad_release.text("recovery not proven")
    company.load.resume()
    await company.measured(NORMAL_REQUESTS // 3)
    card = await bad_release.message(lambda m: has_button(m, "verify_again"))
    await bad_release.person("dan").press(card, "verify_again")
    await bad_release.until_recovered()
