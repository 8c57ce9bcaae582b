"""The paperwork before the report: what is done, and what a dead GitHub may cost."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar

from bot.incident import events as e
from bot.incident.state import ActionState
from bot.paperwork import follow_up
from bot.paperwork.release_plan import with_summary
from sandbox.github.faults import Fault
from sandbox.github.model import Repository
from sandbox.github.server import GitHubServer
from tests.company.deeds import history, planned
from tests.company.harness import Company
from tests.company.office import (
    ACTIONS,
    SHOP,
    abandoned,
    catalog_with,
    recovered,
    resolve,
    stock,
    told,
)
from tests.company.shop import BAD, GOOD


@pytest.fixture
async def github(company: Company) -> AsyncIterator[GitHubServer]:
    """GitHub, with the shop's code."""
    server = GitHubServer(clock=company.clock.timestamp)
    stock(server, now=company.clock.now())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def shop(github: GitHubServer) -> Repository:
    """The shop's repository."""
    return github.repositories[SHOP]


async def test_what_changed_is_told_while_people_read_the_plan(
    company: Company, github: GitHubServer
) -> None:
    process = await company.process(catalog=catalog_with(github))
    incident = await planned(process)
    incident = await company.until(incident, lambda i: i.compared)
    await company.clock.advance(10)
    assert incident.compared is not None
    assert (incident.compared.base, incident.compared.head) == (GOOD, BAD)
    (said,) = told(process, incident, "What changed")
    assert "Prices with currencies" in said
    assert github.calls("GET /repos/acme/shop/compare") == 1


async def test_two_processes_that_compare_at_once_tell_it_once(
    company: Company, github: GitHubServer
) -> None:
    first = await company.process(catalog=catalog_with(github))
    second = await company.process(catalog=catalog_with(github), sends=False)
    # As when the other process takes in a click before it has heard of the first one's answer.
    first.changes.listen(second.comparer.look)
    incident = await planned(first)
    await company.until(incident, lambda i: i.compared)
    await company.clock.advance(20)
    assert (await history(first, incident)).count("changes_compared") == 1
    assert len(told(first, incident, "What changed")) == 1


async def test_a_resolved_incident_has_all_its_papers_before_its_report(
    company: Company, github: GitHubServer, shop: Repository
) -> None:
    process = await company.process(catalog=catalog_with(github))
    incident = await resolve(process, await recovered(process), *ACTIONS)
    kinds = await history(process, incident)
    papers = kinds[kinds.index("resolved") + 1 :]
    assert sorted(papers[:3]) == ["action_filed", "action_filed", "post_mortem_scheduled"]
    assert papers[3:] == ["release_plan_updated", "report_published"]
    assert [issue.title for issue in shop.issues] == ["Test two currencies", "Alert on refunds"]
    assert [issue.assignees for issue in shop.issues] == [["ana"], []]
    body = shop.releases[0].body or ""
    assert body.startswith("Prices with currencies.\n\n<!-- rollback-bot INC-2026-001 begins -->")
    assert body.count("## Rollback Summary") == 1
    assert incident.notes == ()


async def test_release_notes_notify_nobody_whose_name_was_typed(
    company: Company, github: GitHubServer, shop: Repository
) -> None:
    shop.releases[0].body = "Thanks to @dana."
    process = await company.process(catalog=catalog_with(github))
    typed = "@everyone looks at (@acme/payments) registry.example/shop@sha256:12 of ana@example.com"
    await resolve(process, await abandoned(process), e.CorrectiveAction(text=typed))
    notes, _, summary = (shop.releases[0].body or "").partition("<!-- rollback-bot")
    assert notes.startswith("Thanks to @dana."), "what others wrote stays as it is"
    assert "registry.example/shop@sha256:12 of ana@example.com" in summary
    assert "@everyone" not in summary
    assert "@acme" not in summary
    assert "@\u200beveryone looks at (@\u200bacme/payments)" in summary


async def test_everybody_involved_is_invited_in_the_channel_and_by_mail(
    company: Company, github: GitHubServer
) -> None:
    mailbox = {
        "kind": "email",
        "audience": "stakeholders",
        "host": "mail.example.com",
        "from": "bot@example.com",
        "to": ["everybody@example.com"],
    }
    catalog = catalog_with(
        github,
        destinations={"team": mailbox},
        post_mortem={"zone": "Europe/Berlin", "email": "team"},
    )
    process = await company.process(catalog=catalog)
    incident = await resolve(process, await abandoned(process))
    await company.clock.advance(10)
    meeting = incident.post_mortem
    assert meeting is not None
    assert incident.resolved_at is not None
    hours = (meeting.start - incident.resolved_at).total_seconds() / 3600
    assert 24 <= hours <= 48
    assert sorted(meeting.addresses.values()) == ["ana@example.com", "ben@example.com"]
    assert meeting.organizer == "ben@example.com"
    assert len(told(process, incident, "Post-mortem:")) == 1
    channel = incident.channel
    assert channel is not None
    (name,) = [
        str(file["name"])
        for message in company.slack.workspace.messages(channel.channel_id)
        for file in message.files
        if str(file["name"]).endswith(".ics")
    ]
    kept = await process.store.attachment(incident.id, name)
    assert kept is not None
    event: Any = Calendar.from_ical(kept.content.decode()).walk("VEVENT")[0]
    assert event["DTSTART"].dt == meeting.start
    rows = await process.store.deliveries(incident.id)
    (owed,) = [row.delivery for row in rows if row.delivery.id.endswith("/invitation")]
    mail = await process.announcer.draw(owed, process.journal)
    assert mail.destination == "email:team"
    assert mail.payload["to"] == ["ana@example.com", "ben@example.com"]
    assert "BEGIN:VCALENDAR" in str(mail.payload["calendar"])


async def test_a_dead_github_delays_the_report_by_no_more_than_its_patience(
    company: Company, github: GitHubServer, shop: Repository
) -> None:
    catalog = catalog_with(github, paperwork={"patience": "150ms", "retry_for": "6h"})
    process = await company.process(catalog=catalog)
    incident = await abandoned(process)
    github.order(Fault(hangs=True, times=None))
    begun = time.monotonic()
    incident = await resolve(process, incident, *ACTIONS)
    assert time.monotonic() - begun < 5
    assert {note.subject for note in incident.notes} == {
        "Issues for corrective actions",
        "Release plan",
    }
    assert incident.post_mortem is not None
    assert (await history(process, incident))[-1] == "report_published"
    github.faults.clear()
    await company.clock.advance(150)
    await follow_up.look(process.context)
    incident = company.incidents[incident.id]
    assert incident.notes == ()
    assert [state.url for state in incident.actions.values()] == [
        "https://github.com/acme/shop/issues/1",
        "https://github.com/acme/shop/issues/2",
    ]
    assert len(shop.issues) == 2
    assert incident.release_plan is not None


async def test_an_issue_whose_answer_was_lost_is_found_and_not_filed_twice(
    company: Company, github: GitHubServer, shop: Repository
) -> None:
    process = await company.process(catalog=catalog_with(github))
    incident = await abandoned(process)
    github.order(Fault(method="POST", path="/issues"))
    incident = await resolve(process, incident, *ACTIONS)
    assert len(shop.issues) == 1
    assert incident.actions == {}
    await company.clock.advance(150)
    await follow_up.look(process.context)
    incident = company.incidents[incident.id]
    assert [issue.title for issue in shop.issues] == ["Test two currencies", "Alert on refunds"]
    assert incident.actions[0] == ActionState(url="https://github.com/acme/shop/issues/1")


async def test_killed_after_filing_the_next_process_finds_the_issue(
    company: Company, github: GitHubServer, shop: Repository
) -> None:
    first = await company.process(catalog=catalog_with(github))
    incident = await abandoned(first)
    github.order(Fault(method="POST", path="/issues", hangs=False))
    await resolve(first, incident, *ACTIONS)
    await first.kill()
    second = await company.process(catalog=catalog_with(github))
    await company.clock.advance(200)
    await follow_up.look(second.context)
    assert len(shop.issues) == 2
    assert len({issue.title for issue in shop.issues}) == 2


async def test_the_summary_goes_into_a_file_once_even_when_the_record_was_lost(
    company: Company, github: GitHubServer, tmp_path: Path
) -> None:
    plan = tmp_path / "{service}-{release}.md"
    path = tmp_path / "checkout-v2.1.0.md"
    path.write_text("# Release plan\n")
    process = await company.process(catalog=catalog_with(github, plan))
    incident = await resolve(process, await abandoned(process))
    assert incident.release_plan == e.ReleasePlanUpdated(where=str(path))
    text = path.read_text()
    assert text.startswith("# Release plan\n\n<!-- rollback-bot INC-2026-001 begins -->\n## Roll")
    again = with_summary(text, incident.id, "## Rollback Summary\n\nAs of today")
    assert again.count("Rollback Summary") == 1
    assert "As of today" in again
    await company.clock.advance(10)
    assert len(told(process, incident, "stands in the release plan")) == 1


async def test_a_refused_token_is_named_on_the_incident_and_given_up_in_the_end(
    company: Company, github: GitHubServer
) -> None:
    catalog = catalog_with(github, paperwork={"patience": "2s", "retry_for": "5m"})
    process = await company.process(catalog=catalog)
    incident = await abandoned(process)
    await company.until(incident, lambda i: i.compared)
    github.tokens.clear()
    incident = await resolve(process, incident)
    (note,) = incident.notes
    assert note.subject == "Release plan"
    assert "Bad credentials" in note.what
    assert "Make a new token" in note.remedy
    tried = github.calls("GET /repos/acme/shop/releases")
    await company.clock.advance(150)
    await follow_up.look(process.context)
    assert github.calls("GET /repos/acme/shop/releases") == tried + 1
    await company.clock.advance(200)
    await follow_up.look(process.context)
    assert github.calls("GET /repos/acme/shop/releases") == tried + 1
    assert company.incidents[incident.id].notes == (note,)


async def test_a_service_without_github_has_its_meeting_alone(company: Company) -> None:
    process = await company.process()
    incident = await resolve(process, await abandoned(process), *ACTIONS)
    kinds = await history(process, incident)
    assert kinds[-3:] == ["resolved", "post_mortem_scheduled", "report_published"]
    assert incident.notes == ()
