"""The whole journey, as the people in it see it."""

from __future__ import annotations

import pytest

from sandbox.cluster.base.resources import SERVICES
from sandbox.journey import Journey
from sandbox.shop.delivery import Layout
from tests.scenarios.checks import nothing_was_refused, valid_by_slacks_own_models
from tests.scenarios.conftest import BAD_REQUESTS, StartCompany

SECTIONS = (
    "1. Executive Summary",
    "2. Rollback Trigger",
    "2.1. Reason for Rollback",
    "2.2. Severity Level",
    "2.3. Impact Assessment",
    "3. Rollback Procedure",
    "3.1. Rollback Plan",
    "3.2. Rollback Execution",
    "3.3. Rollback Time",
    "3.4. Personnel Involved",
    "4. Post-Rollback Analysis",
    "4.1. Verification of Rollback Success",
    "4.2. Root Cause Analysis (Initial)",
    "4.3. Corrective Actions",
    "4.4. Lessons Learned",
    "5. Appendix",
)


@pytest.mark.parametrize(("transport", "layout"), [("socket", "blue-green"), ("http", "rolling")])
async def test_from_the_command_to_the_finished_report(start: StartCompany, layout: Layout) -> None:
    journey = await start(layout=layout)
    company = journey.company
    await company.release()
    await company.measured(BAD_REQUESTS)
    form = await journey.open_assessment("ana")
    shown = company.slack.workspace.render(form)
    assert "v2.1.0" in shown
    assert "v2.0.0" in shown
    await journey.assess("ana")
    verdict = company.slack.workspace.render(journey.person("ana").view)  # type: ignore[arg-type]
    assert "Error rate" in verdict
    await journey.declare("ana")
    await journey.until_channel()
    await journey.approve("ben")
    await journey.until_recovered()
    await journey.resolve("ana")
    report = await journey.report()

    for section in SECTIONS:
        assert section in report
    assert "RECOVERED" in report
    names = [file.name for file in company.slack.workspace.files]
    assert any(name.endswith(".png") for name in names)
    assert any(name.endswith(".sh") for name in names)
    nothing_was_refused(company)
    valid_by_slacks_own_models(company)


async def test_the_people_are_invited_and_the_stakeholders_told(bad_release: Journey) -> None:
    company = bad_release.company
    channel = await bad_release.until_declared("ana")
    members = {company.slack.workspace.user(name).id for name in ("ana", "ben", "carla", "dan")}
    await bad_release.text("assembled")
    await company.slack.workspace.wait_for(lambda: members <= set(channel.members))
    assert channel.name == "inc-2026-001-checkout" or channel.name.endswith("-checkout")
    await bad_release.text("rollback of checkout", channel="status")


async def test_the_traffic_really_moves_back(bad_release: Journey) -> None:
    company = bad_release.company
    await bad_release.until_declared()
    await bad_release.approve("ben")
    await bad_release.until_recovered()
    service = company.cluster.store.get(SERVICES, "shop", "checkout")
    assert service["spec"]["selector"] == {"app": "checkout", "version": "blue"}
