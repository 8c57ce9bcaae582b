"""Before and after: an alert that opens the form, paperwork that is killed, neighbours that die."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from sandbox.company import Company
from sandbox.github.faults import Fault
from sandbox.neighbours import ALERTS_TOKEN, EVERYBODY, REPOSITORY
from sandbox.witness import buttons, has_button
from tests.scenarios.checks import said_once
from tests.scenarios.conftest import BAD_REQUESTS, StartCompany


@pytest.mark.transport
async def test_an_alert_opens_a_filled_form_that_leads_to_an_incident(start: StartCompany) -> None:
    journey = await start(neighbours=frozenset({"alerts"}))
    company = journey.company
    await company.release()
    await company.measured(BAD_REQUESTS)
    began = datetime.now(UTC)
    assert await _alert(company, began, token="guessed") == 401
    for _ in range(2):
        assert await _alert(company, began) == 200
    told = await journey.message(lambda m: has_button(m, "assess_checkout"), "status")
    assert "One in eight payments fails" in told.plain
    offers = [m for m in company.slack.workspace.messages("status") if buttons(m)]
    assert len(offers) == 1

    ana = journey.person("ana")
    await ana.press(told, "assess_checkout")
    form = await journey.view(ana, lambda view: view.callback_id == "assessment")
    assert "One in eight payments fails" in form.plain
    await journey.assess("ana")
    await journey.declare("ana")
    await journey.until_channel()
    assert await _alert(company, began, name="SlowPayments") == 200
    await journey.text("SlowPayments")
    await journey.approve("ben")
    await journey.until_recovered()
    said_once(company)


async def _alert(
    company: Company, began: datetime, *, name: str = "HighErrorRate", token: str = ALERTS_TOKEN
) -> int:
    """Send what Alertmanager sends (version 4); the status of the answer."""
    alert: dict[str, Any] = {
        "status": "firing",
        "labels": {"alertname": name, "service": "checkout", "severity": "critical"},
        "annotations": {"summary": "One in eight payments fails"},
        "startsAt": began.isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": name,
    }
    body = {"version": "4", "groupKey": name, "status": "firing", "alerts": [alert]}
    async with aiohttp.ClientSession() as session:
        bearer = {"Authorization": f"Bearer {token}"}
        url = f"{company.bot.url}/webhooks/alertmanager"
        async with session.post(url, json=body, headers=bearer) as answer:
            return answer.status


async def test_killed_in_the_middle_of_the_paperwork_everything_is_done_once(
    start: StartCompany,
) -> None:
    journey = await start(neighbours=frozenset({"mail", "forge"}))
    company = journey.company
    await company.release()
    await company.measured(BAD_REQUESTS)
    await journey.until_declared("ana")
    await journey.approve("ben")
    await journey.until_recovered()
    repository = company.around.forge.repositories[REPOSITORY]
    # GitHub files the first issue, and its answer never arrives.
    company.around.forge.order(Fault(method="POST", path="/issues", holds=True, times=None))
    await journey.resolve("ana")
    await journey.until(lambda: repository.issues)
    await company.bot.kill()
    company.around.forge.faults.clear()
    await company.start_bot()
    await journey.report()
    await journey.text("the report with timeline")

    def invitations() -> list[str]:
        mails = [letter.message for letter in company.around.mail.letters]
        return [str(mail["Message-ID"]) for mail in mails if "ost-mortem" in str(mail["Subject"])]

    await journey.until(invitations)
    assert sorted(issue.title for issue in repository.issues) == [
        "Alert on 1 % errors",
        "Test baskets with two currencies",
    ]
    (release,) = repository.releases
    assert str(release.body).count("## Rollback Summary") == 1
    assert len(invitations()) == 1
    files = Counter(file.name for file in company.slack.workspace.files)
    assert {name: count for name, count in files.items() if count > 1} == {}
    said_once(company)


async def test_dead_neighbours_stop_nothing_and_the_card_says_what_to_do(
    start: StartCompany,
) -> None:
    journey = await start(neighbours=EVERYBODY)
    company = journey.company
    await company.release()
    await company.measured(BAD_REQUESTS)
    await company.around.die()
    await journey.until_declared("ana")
    await journey.approve("ben")
    await journey.until_recovered()
    await journey.resolve("ana")
    report = await journey.report()
    assert "RECOVERED" in report
    # The bot tells of a destination when it has not come back within half a minute.
    told = [
        "*What changed*: GitHub cannot be reached",
        "*Issues for corrective actions*: GitHub cannot be reached",
        "*Release plan*: GitHub cannot be reached",
        "Statuspage “public” cannot be reached",
        "Mail server “board” cannot be reached",
        "Mail server “customers” cannot be reached",
        "tell its readers by hand if it cannot wait",
    ]
    await journey.message(lambda m: all(part in m.plain for part in told))
    said_once(company)
