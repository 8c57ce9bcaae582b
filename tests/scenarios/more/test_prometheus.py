"""The real Prometheus scrapes the shop, and what it counted decides."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from sandbox import prometheus
from sandbox.journey import Journey
from tests.scenarios.conftest import BAD_REQUESTS, PACE, StartCompany

# An interval holds several scrapes; the last checkpoint leaves room for five intervals.
COUNTED = replace(PACE, live_window=4.0, bucket=1.6, checkpoints=(4.0, 8.8), drain=2.0)


@pytest.fixture
async def measured_by_prometheus(start: StartCompany) -> Journey:
    """A company with a bad release and a Prometheus that has seen both releases."""
    if not prometheus.installed():
        if os.environ.get("CI"):
            pytest.fail("CI must have Prometheus: apt-get install prometheus")
        pytest.skip("Prometheus is not installed: apt-get install prometheus")
    journey = await start(neighbours=frozenset({"prometheus"}), pace=COUNTED)
    company = journey.company
    await company.around.prometheus.scrapes_every_pod()
    await company.measured(2 * BAD_REQUESTS)
    await company.release()
    await company.around.prometheus.scrapes_every_pod()
    await company.measured(BAD_REQUESTS)
    return journey


async def test_prometheus_proves_that_a_broken_target_did_not_help_and_that_a_mended_one_did(
    measured_by_prometheus: Journey,
) -> None:
    journey = measured_by_prometheus
    company = journey.company
    await company.break_blue()
    await company.around.prometheus.scrapes_every_pod()
    form = await journey.open_assessment("ana")
    assert "Measured by Prometheus" in form.plain
    await journey.assess("ana")
    await journey.declare("ana")
    await journey.until_channel()
    await journey.approve("ben")
    card = await journey.text("not recovered")
    assert "above the limit" in company.slack.workspace.render(card)

    await company.mend_blue()
    await company.around.prometheus.scrapes_every_pod()
    await journey.press("dan", "verify_again")
    await journey.text("recovery proven")
