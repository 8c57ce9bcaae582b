"""It is not over: causes with evidence and buttons, and a resolved incident that relapses."""

from __future__ import annotations

from dataclasses import replace

from sandbox.catalog import LOG_IN
from sandbox.witness import buttons, has_button
from tests.scenarios.checks import said_once
from tests.scenarios.conftest import BAD_REQUESTS, PACE, StartCompany

# What is Critical by the usual lines is only High here.
LESS_SEVERE = {
    "immediate_error_rate": 0.5,
    "critical_latency_ratio": 9,
    "degraded_latency_ratio": 8,
    "significant_affected_users": 0.5,
}


async def test_without_recovery_the_causes_are_shown_with_evidence_and_buttons(
    start: StartCompany,
) -> None:
    # Port 9 of loopback discards; nothing listens there.
    dead = "http://127.0.0.1:9/health?key=secret"
    journey = await start(service_changes={"dependencies": [dead], "smoke_tests": [LOG_IN]})
    company = journey.company
    await company.release()
    await company.measured(BAD_REQUESTS)
    await company.break_blue()
    await journey.until_declared("ana")
    await journey.approve("ben")
    await journey.text("not recovered")
    card = await journey.text("Something that the service needs fails.* 🔴")
    told = company.slack.workspace.render(card)
    assert "127.0.0.1:9" in told
    assert "key=secret" not in told
    assert {"verify_again", "open_replan", "undo"} <= buttons(card)


async def test_a_relapse_opens_a_resolved_incident_again_and_high_severity_sends_no_mail(
    start: StartCompany,
) -> None:
    journey = await start(
        pace=replace(PACE, watch_after=90.0, watch_every=1.0),
        neighbours=frozenset({"mail", "status page"}),
        service_changes={"thresholds": LESS_SEVERE},
    )
    company = journey.company
    await company.release()
    await company.measured(BAD_REQUESTS)
    await journey.until_declared("ana")
    await journey.approve("ben")
    await journey.until_recovered()
    await journey.resolve("ana")
    await journey.report()
    await company.break_blue()
    await journey.text("got worse again after its recovery")
    await journey.message(lambda m: has_button(m, "verify_again"))
    status = await journey.person("dan").command("/rollback status")
    assert status.message is not None
    assert "INC-2026-001" in status.message.plain

    page = company.around.status_page.page
    await journey.until(lambda: [told[-1] for _, told in page.said()][1:] == ["investigating"])
    await company.mend_blue()
    await journey.press("dan", "verify_again")
    await journey.until(lambda: [told[-1] for _, told in page.said()] == ["resolved"] * 2)
    await journey.resolve("ana")
    await journey.file("INC-2026-001-2-rollback-report.md")
    subjects = {str(letter.message["Subject"]) for letter in company.around.mail.letters}
    assert all("ost-mortem" in subject for subject in subjects), subjects
    said_once(company)
