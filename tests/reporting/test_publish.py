"""The finished report arrives: as files, as a canvas, and once more after a relapse."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from bot.core.defaults import ReportFormat
from bot.core.errors import PermanentError, TemporaryError
from bot.engine.context import Context
from bot.engine.journal import Decision
from bot.incident import events as e
from bot.incident.state import Incident, Phase
from bot.judge.counts import Bucket, Judgement, RecoveryVerdict
from bot.paperwork import conclude
from bot.reporting import publish, report
from bot.reporting import publish as drawing
from bot.reporting.document import Document, DocumentName
from bot.reporting.pages import render_html
from bot.reporting.report import Report, build_report
from bot.store.values import Attachment
from bot.terminal.archive import report_files
from sandbox.slack.base.model import StoredFile
from tests.company.deeds import approved, declare, history, planned
from tests.company.harness import Company, Process

CONCLUSION = e.Conclusion(root_cause="A pool too small.", follow_up=e.FollowUp.HOTFIX)


@pytest.fixture
async def process(company: Company) -> Process:
    return await company.process()


async def _resolve(process: Process, incident: Incident, request: str = "view/1") -> Incident:
    await conclude.resolve(
        process.context,
        incident.id,
        conclusion=CONCLUSION,
        actor=process.company.actor("ana"),
        request_id=request,
    )
    reported = await process.company.until(incident, lambda i: i.report is not None)
    await process.company.clock.advance(60)
    return reported


def _uploaded(process: Process) -> list[str]:
    return [file.name for file in process.company.slack.workspace.files if file.mode != "quip"]


def _canvases(process: Process) -> list[StoredFile]:
    return [file for file in process.company.slack.workspace.files if file.mode == "quip"]


async def test_every_format_is_uploaded_and_the_report_is_the_channels_canvas(
    process: Process,
) -> None:
    incident = await _resolve(process, await planned(process))
    endings = Counter(name.rpartition(".")[2] for name in _uploaded(process))
    assert endings["md"] == endings["html"] == 3
    assert endings["json"] == 1
    assert f"{incident.id}-rollback-report.html" in _uploaded(process)
    (canvas,) = _canvases(process)
    assert canvas.title == f"{incident.id}: rollback report"
    assert b"## 1. Executive Summary" in canvas.content
    pages = await report_files(process.context, incident.id, formats=[ReportFormat.HTML])
    assert {page.media_type for page in pages} == {"text/html"}
    assert len(pages) == 3


@pytest.mark.parametrize(
    "code", ["missing_scope", "channel_canvas_already_exists", "unknown_method"]
)
async def test_a_workspace_without_canvases_gets_the_files_and_a_note(
    process: Process, code: str
) -> None:
    process.company.slack.faults.error("conversations.canvases.create", code)
    incident = await _resolve(process, await planned(process))
    (note,) = process.company.incidents[incident.id].notes
    assert note.subject.startswith("canvas to")
    assert code in note.what
    assert note.remedy
    assert f"{incident.id}-rollback-report.md" in _uploaded(process)


async def test_a_relapsed_incident_gets_a_second_report_beside_the_first(process: Process) -> None:
    incident = await planned(process)
    await approved(process, incident)
    await process.company.until(incident, lambda i: i.phase is Phase.RECOVERED)
    first = await _resolve(process, incident)
    assert first.report is not None
    judgement = Judgement(
        verdict=RecoveryVerdict.NOT_RECOVERED, reasons=("worse",), requests=9, errors=9
    )
    relapse = e.Relapsed(judgement=judgement, since=process.company.clock.now())
    await process.journal.record(incident.id, lambda _: Decision(events=(relapse,), reopens=True))
    second = await _resolve(process, incident, request="view/2")
    assert second.report is not None
    assert not set(first.report.files) & set(second.report.files)
    assert f"{incident.id}-2-rollback-report.md" in second.report.files
    kept = await process.store.attachment(incident.id, f"{incident.id}-rollback-report.md")
    assert kept is not None
    assert b"Recovery is proven" in kept.content
    again = await process.store.attachment(incident.id, f"{incident.id}-2-rollback-report.md")
    assert again is not None
    assert b"did not last" in again.content
    assert max(Counter(_uploaded(process)).values()) == 1


async def test_a_published_report_can_be_drawn_afresh_with_what_happened_since(
    process: Process,
) -> None:
    incident = await _resolve(process, await planned(process))
    await process.journal.add(incident.id, e.ReleasePlanUpdated(where="docs/plan.md"))
    markdown = [ReportFormat.MARKDOWN]
    published = await report_files(process.context, incident.id, formats=markdown)
    afresh = await report_files(process.context, incident.id, formats=markdown, afresh=True)
    assert [file.name for file in afresh] == [file.name for file in published]
    assert b"docs/plan.md" not in published[0].content
    assert b"docs/plan.md" in afresh[0].content


async def test_a_report_drawn_before_the_incident_was_opened_again_is_drawn_anew(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = publish.draw_report
    drawn: list[int] = []

    async def opened_meanwhile(context: Context, incident: Incident) -> drawing.Drawn:
        made = await draw(context, incident)
        drawn.append(incident.seq)
        if len(drawn) == 1:
            await context.clock.sleep(1)
            judgement = Judgement(
                verdict=RecoveryVerdict.NOT_RECOVERED, reasons=("5% errors",), requests=9, errors=5
            )
            again = (
                e.Relapsed(judgement=judgement, since=context.clock.now()),
                e.Resolved(by=process.company.actor("ben"), conclusion=CONCLUSION),
            )
            await context.journal.add(incident.id, *again)
        return made

    monkeypatch.setattr(publish, "draw_report", opened_meanwhile)
    incident = await _resolve(process, await planned(process))
    assert len(drawn) == 2
    kinds = await history(process, incident)
    assert kinds.count("report_published") == 1
    page = await process.store.attachment(incident.id, f"{incident.id}-rollback-report.md")
    assert page is not None
    assert "RELAPSE" in page.content.decode()


# -- what cannot be drawn ------------------------------------------------------------------------


def _raises(*_: object, **__: object) -> str:
    raise ValueError("drawn from nothing")


def _told(process: Process, incident: Incident) -> str:
    assert incident.channel is not None
    channel = process.company.slack.workspace.channel(incident.channel.channel_id)
    return process.company.said(channel)[-1]


async def test_a_chart_and_a_document_that_cannot_be_drawn_take_nothing_else_with_them(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unless_incident_report(document: Document, *, chart: str = "") -> str:
        if document.name is DocumentName.INCIDENT_REPORT:
            raise RecursionError(document.title)
        return render_html(document, chart=chart)

    monkeypatch.setattr(publish, "draw_chart", _raises)
    monkeypatch.setattr(publish, "render_html", unless_incident_report)
    monkeypatch.setattr(publish, "log_patterns", _raises)
    monkeypatch.setattr(publish, "render_canvas", _raises)
    incident = await planned(process)
    await approved(process, incident)
    await process.company.until(incident, lambda i: i.phase is Phase.RECOVERED)
    incident = await _resolve(process, incident)
    assert incident.report is not None
    missing = ("log patterns", "chart", "incident-report.html", "canvas")
    assert incident.report.missing == missing
    endings = Counter(name.rpartition(".")[2] for name in _uploaded(process))
    assert endings == {"md": 3, "html": 2, "json": 1, "sh": 1, "ics": 1}
    assert _canvases(process) == []
    markdown = await process.store.attachment(incident.id, f"{incident.id}-rollback-report.md")
    assert markdown is not None
    assert b"The chart could not be drawn" in markdown.content
    assert b".png" not in markdown.content
    told = _told(process, incident)
    assert "Could not be drawn: log patterns, chart, incident-report.html, canvas" in told
    assert f"rollback-bot report {incident.id}" in told
    assert await process.store.incidents(open_only=True) == ()
    # What made it impossible is mended: the command draws what was missing.
    monkeypatch.undo()
    names = {file.name for file in await report_files(process.context, incident.id)}
    assert f"{incident.id}-incident-report.html" in names
    assert f"{incident.id}-error-rate.png" in names


async def test_figures_and_logs_that_spoil_the_report_leave_it_to_the_events(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def from_events(*args: Any, **more: Any) -> Report:
        if more:
            raise ZeroDivisionError(more)
        return build_report(*args)

    async def no_counts(*_: object) -> tuple[Bucket, ...]:
        raise OverflowError

    monkeypatch.setattr(publish, "build_report", from_events)
    monkeypatch.setattr(publish, "counts", no_counts)
    incident = await _resolve(process, await planned(process))
    assert incident.report is not None
    assert incident.report.missing == ("request counts", "request counts and log patterns")
    assert f"{incident.id}-rollback-report.html" in _uploaded(process)


async def test_a_document_that_cannot_be_written_leaves_the_others(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "incident_report", _raises)
    incident = await _resolve(process, await planned(process))
    assert incident.report is not None
    assert incident.report.missing == ("incident-report",)
    reports = [name for name in _uploaded(process) if name.endswith(".html")]
    assert reports == [
        f"{incident.id}-rollback-report.html",
        f"{incident.id}-release-plan-summary.html",
    ]
    assert len(_canvases(process)) == 1


async def test_an_incident_whose_report_cannot_be_drawn_at_all_closes_and_says_so(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "build_report", _raises)
    incident = await _resolve(process, await planned(process))
    assert incident.report is not None
    assert incident.report.files == ()
    assert not [name for name in _uploaded(process) if "report" in name]
    told = _told(process, incident)
    assert f"The report of {incident.id} could not be drawn" in told
    assert f"rollback-bot report {incident.id}" in told
    assert (await declare(process, by="carla")).id != incident.id, "the service is free"
    with pytest.raises(PermanentError, match="could not be drawn") as failed:
        await report_files(process.context, incident.id)
    assert "log" in failed.value.remedy
    monkeypatch.undo()
    assert len(await report_files(process.context, incident.id)) >= 7


async def test_a_store_that_does_not_answer_is_waited_for(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    attachment = process.store.attachment
    refused: list[str] = []

    async def sometimes(incident_id: str, name: str) -> Attachment | None:
        if not refused:
            refused.append(name)
            raise TemporaryError("The database is away.")
        return await attachment(incident_id, name)

    monkeypatch.setattr(process.store, "attachment", sometimes)
    incident = await _resolve(process, await planned(process))
    assert refused
    assert incident.report is not None
    assert incident.report.missing == ()
