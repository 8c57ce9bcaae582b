"""The whole journey with everything on: customers, mail, the forge, the freeze, the home tab."""

from __future__ import annotations

import json
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
from icalendar import Calendar
from jsonschema import Draft202012Validator

from sandbox.catalog import LOG_IN
from sandbox.cluster.base.resources import DEPLOYMENTS
from sandbox.company import ROOT, Company
from sandbox.journey import Journey
from sandbox.neighbours import BOARD, CUSTOMERS, EVERYBODY, REPOSITORY
from tests.scenarios.checks import nothing_was_refused, said_once, valid_by_slacks_own_models
from tests.scenarios.conftest import BAD_REQUESTS, PACE, StartCompany

MARK = "rollback-bot.dev/deploy-freeze"
OWN_WORDS = "Payments work again for most of you."
# Carla must find time to read and rewrite a message before recovery is proven.
SLOWER = replace(PACE, checkpoints=(1.2, 2.4, 7.2))
CONFIGURED = {"smoke_tests": [LOG_IN], "probes": {"path": "/checkout", "every": 0.5}}
FILES = (
    "rollback-report.md",
    "rollback-report.html",
    "incident-report.md",
    "incident-report.html",
    "release-plan-summary.md",
    "release-plan-summary.html",
    "report.json",
    "error-rate.png",
    "rollback.sh",
    "post-mortem.ics",
)


@pytest.mark.transport
async def test_one_incident_with_everything_that_belongs_to_it(start: StartCompany) -> None:
    journey = await start(neighbours=EVERYBODY, pace=SLOWER, service_changes=CONFIGURED)
    company = journey.company
    await company.release()
    await company.measured(BAD_REQUESTS)
    await journey.until_declared("ana")
    await _customers_read(journey, "investigating")
    (opened,) = company.around.status_page.page.incidents.values()
    assert "We are investigating a problem" in opened["incident_updates"][0]["body"]
    await journey.text("Prices with currencies")

    await journey.press("carla", "hold_external")
    await journey.approve("ben")
    await _carla_decides(journey)
    await journey.until_recovered()
    await journey.text("log in and see the basket")
    await _customers_read(journey, "investigating", "identified", "monitoring", "resolved")
    customers_mail = await _mail(journey, CUSTOMERS, "resolved")
    assert "v2.1.0" not in customers_mail.as_string()
    await _frozen_until_lifted(journey)

    await journey.resolve("ana", {"corrective_actions": "Test baskets with two currencies @ana"})
    await journey.report()
    await _reports(journey)
    await _paperwork(company)
    await _invitation(journey)
    await _home(journey)
    # So much is said at the end that Slack slows the bot down.
    nothing_was_refused(company, allowed=frozenset({"ratelimited"}))
    valid_by_slacks_own_models(company)
    said_once(company)
    assert company.around.refusals == []


async def _customers_read(journey: Journey, *statuses: str) -> None:
    page = journey.company.around.status_page.page
    await journey.until(lambda: [told for _, told in page.said()] == [list(statuses)])


async def _carla_decides(journey: Journey) -> None:
    """One message goes as it stands, the next one in her own words, then all by themselves."""
    carla = journey.person("carla")
    draft = await journey.text("waits for you: “identified”")
    await _customers_read(journey, "investigating")
    await carla.press(draft, "send_external")
    await _customers_read(journey, "investigating", "identified")
    draft = await journey.text("waits for you: “monitoring”")
    await carla.press(draft, "open_edit_external")
    await journey.view(carla, lambda view: view.callback_id == "edit_external")
    await carla.fill_and_submit({"text": OWN_WORDS})
    await journey.press("carla", "free_external")
    await _customers_read(journey, "investigating", "identified", "monitoring")
    (incident,) = journey.company.around.status_page.page.incidents.values()
    assert incident["incident_updates"][0]["body"] == OWN_WORDS


async def _mail(journey: Journey, to: str, words: str) -> EmailMessage:
    """The newest mail to an address with these words in its subject."""

    def found() -> EmailMessage | None:
        letters = reversed(journey.company.around.mail.letters)
        mails = (letter.message for letter in letters if to in letter.recipients)
        return next((mail for mail in mails if words in str(mail["Subject"])), None)

    return await journey.until(found)


async def _frozen_until_lifted(journey: Journey) -> None:
    store = journey.company.cluster.store
    marked = ("checkout-blue", "checkout-green")

    def marks() -> list[str]:
        found = [store.get(DEPLOYMENTS, "shop", name) for name in marked]
        return [obj["metadata"].get("annotations", {}).get(MARK, "") for obj in found]

    await journey.until(lambda: all("INC-2026-001 v2.1.0 until" in mark for mark in marks()))
    lifted = await journey.person("ben").command("/rollback unfreeze checkout")
    assert lifted.message is not None
    assert "is lifted" in lifted.message.plain
    assert marks() == ["", ""]


async def _reports(journey: Journey) -> None:
    files = {name: await journey.file(name) for name in FILES}
    markdown = files["rollback-report.md"].decode()
    for part in ("compare/v2.0.0...v2.1.0", "Prices with currencies", "log in and see the basket"):
        assert part in markdown
    assert files["rollback-report.html"].lower().startswith(b"<!doctype html>")
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads(files["report.json"]))
    canvas = await journey.until(lambda: journey.channel.canvas)
    (drawn,) = [file for file in journey.workspace.files if file.id == canvas]
    assert "Executive Summary" in bytes(drawn.content).decode()


async def _paperwork(company: Company) -> None:
    repository = company.around.forge.repositories[REPOSITORY]
    (issue,) = repository.issues
    assert (issue.title, issue.assignees) == ("Test baskets with two currencies", ["ana"])
    (release,) = repository.releases
    assert release.body is not None
    assert release.body.startswith("Prices with currencies.")
    assert release.body.count("## Rollback Summary") == 1


async def _invitation(journey: Journey) -> None:
    mail = await _mail(journey, "ana@example.com", "ost-mortem")
    (calendar,) = [p for p in mail.walk() if p.get_content_type() == "text/calendar"]
    payload = calendar.get_payload(decode=True)
    assert isinstance(payload, bytes)
    (event,) = Calendar.from_ical(payload.decode()).walk("VEVENT")
    attendees: Any = event["ATTENDEE"]
    invited = {str(attendee).removeprefix("mailto:") for attendee in attendees}
    assert {f"{name}@example.com" for name in ("ana", "ben", "carla", "dan")} <= invited
    board = [x for x in journey.company.around.mail.letters if BOARD in x.recipients]
    assert board, "stakeholders are mailed about a critical incident"


async def _home(journey: Journey) -> None:
    ana = journey.person("ana")
    ana.open_home()
    home = await journey.until(lambda: ana.home)
    seen = journey.workspace.render(home)
    for part in ("No incident is open.", "INC-2026-001", "Test baskets with two currencies"):
        assert part in seen
