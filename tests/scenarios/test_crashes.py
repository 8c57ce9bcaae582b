"""Kill the process anywhere: nothing happens twice and nothing is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sandbox.journey import Journey
from tests.scenarios.checks import said_once
from tests.scenarios.conftest import BAD_REQUESTS, PACE, StartCompany


@pytest.mark.transport
async def test_killed_after_the_approval_and_again_while_verifying(start: StartCompany) -> None:
    # Readings may lie three rounds apart, and a start of the bot takes seconds on a busy machine:
    # what it missed for longer would rightly be called unknown.
    pace = replace(PACE, updates=3.0, scrape=4.0, bucket=1.5, checkpoints=(3.0, 6.0, 10.0))
    journey = await start(pace=pace)
    company = journey.company
    await company.release()
    await company.measured(BAD_REQUESTS)
    await journey.until_declared("ana")
    card = await journey.plan_card()
    await journey.approve("ben", card)
    await company.bot.kill()
    await company.start_bot()
    await journey.text("recovery not yet proven")
    await company.bot.kill()
    await company.start_bot()
    await journey.until_recovered()
    await journey.resolve("ana")
    report = await journey.report()

    assert "## 5. Appendix" in report
    channels = [c for c in company.slack.workspace.channels if c.name.startswith("inc-")]
    assert len(channels) == 1
    said_once(company)
    switches = [
        r
        for r in company.cluster.server.requests
        if r.mutates and r.gvr.resource == "services" and not r.dry_run
        if r.user == "rollback-bot"
    ]
    assert len(switches) == 1


@pytest.mark.transport
async def test_every_payload_delivered_three_times_is_carried_out_once(
    bad_release: Journey,
) -> None:
    company = bad_release.company
    company.slack.faults.duplicate_next(copies=3, times=None)
    await bad_release.until_declared("ana")
    await bad_release.approve("ben")
    await bad_release.until_recovered()
    await bad_release.resolve("ana")
    await bad_release.report()
    channels = [c for c in company.slack.workspace.channels if c.name.startswith("inc-")]
    assert len(channels) == 1
    said_once(company)


async def test_a_post_whose_answer_was_lost_is_not_repeated(bad_release: Journey) -> None:
    company = bad_release.company
    company.slack.faults.timeout_after_effect("chat.postMessage", times=2, hold=0.2)
    company.slack.faults.timeout_after_effect("conversations.create", times=1, hold=0.2)
    await bad_release.until_declared("ana")
    await bad_release.approve("ben")
    await bad_release.until_recovered()
    said_once(company)
    channels = [c for c in company.slack.workspace.channels if c.name.startswith("inc-")]
    assert len(channels) == 1


async def test_a_lost_socket_and_rate_limits_only_cost_time(bad_release: Journey) -> None:
    company = bad_release.company
    company.slack.faults.rate_limit("chat.postMessage", retry_after=1, times=2)
    company.slack.faults.server_error("chat.update", status=500, times=1)
    await bad_release.until_declared("ana")
    if company.transport == "socket":
        await company.slack.faults.disconnect("refresh_requested")
        await company.slack.wait_until_connected()
    await bad_release.approve("ben")
    await bad_release.until_recovered()
    said_once(company)
