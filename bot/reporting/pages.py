"""A report as files: Markdown, HTML, JSON, and the Markdown of Slack's canvases."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from bot.communication import markdown
from bot.communication.markdown import CANVAS, GITHUB, Flavour
from bot.incident.events import Recorded
from bot.incident.state import Incident
from bot.judge.counts import Bucket
from bot.reporting.document import (
    Document,
    DocumentName,
    LogPattern,
    LogPatterns,
    Section,
    paragraph,
)
from bot.reporting.report import Report, build_report

CANVAS_BYTES = 1024 * 1024
"""Slack takes no more Markdown for one canvas."""
_APPENDIX = "5."
_HIDDEN_IN_JSON = re.compile(
    "[\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


def render_markdown(document: Document) -> str:
    """Write a document down as GitHub-flavoured Markdown."""
    return _markdown_template(GITHUB).render(document=document)


def release_plan_summary(
    incident: Incident, recorded: Sequence[Recorded], *, counted: Sequence[Bucket] = ()
) -> str:
    """The rollback summary for a release plan: Markdown that begins with ``## Rollback Summary``.

    ``counted`` are request counts over the incident, as for ``build_report``.
    """
    wanted = DocumentName.RELEASE_PLAN_SUMMARY
    report = build_report(incident, recorded, counted=counted, only=(wanted,))
    return render_markdown(report.document(wanted))


def render_canvas(document: Document) -> str:
    """Write a document down in the Markdown of Slack's canvases.

    What is too long for a canvas goes without its appendix, and then without its chapters; it says
    so, because the files beside it have everything.
    """
    for shorter in (document, _without_appendix(document), _only_the_first(document)):
        text = _markdown_template(CANVAS).render(document=shorter)
        if len(text.encode()) <= CANVAS_BYTES:
            return text
    return f"# {markdown.cell(document.title, CANVAS)}\n\nToo long for a canvas: see the files.\n"


def render_html(document: Document, *, chart: str = "") -> str:
    """Write a document down as one HTML file that needs nothing beside it.

    ``chart`` is the SVG for the document's image; without one its description stands there.
    """
    return _html_template().render(document=document, chart=Markup(chart))  # noqa: S704 - our own drawing


def render_json(report: Report) -> str:
    """Write everything down as JSON, in the format of ``docs/report.schema.json``.

    Characters that would be invisible in an editor are written as escapes.
    """
    text = report.model_dump_json(indent=2)
    return _HIDDEN_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"


def report_schema() -> dict[str, Any]:
    """What programs may rely on: the JSON Schema of ``render_json``'s text."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Report.model_json_schema(mode="serialization"),
        "title": "What rollback-bot reports about an incident",
    }


def _without_appendix(document: Document) -> Document:
    kept = [section for section in document.sections if not _is_appendix(section)]
    note = Section(
        number="5",
        title="Appendix",
        blocks=(paragraph("Too long for a canvas: it is in the report's files."),),
    )
    return document.model_copy(update={"sections": (*kept, note)})


def _is_appendix(section: Section) -> bool:
    return f"{section.number}.".startswith(_APPENDIX)


def _only_the_first(document: Document) -> Document:
    note = paragraph("Everything else is too long for a canvas: it is in the report's files.")
    first = document.sections[0]
    short = first.model_copy(update={"blocks": (*first.blocks, note)})
    return document.model_copy(update={"sections": (short,)})


@cache
def _markdown_template(flavour: Flavour) -> Template:
    environment = _environment(
        # HTML's escaping is not Markdown's: `finalize` escapes whatever no filter has written.
        autoescape=False,
        finalize=partial(_written, flavour=flavour),
    )
    environment.filters.update(
        cell=partial(markdown.cell, flavour=flavour),
        lines=partial(markdown.lines, flavour=flavour),
        quoted=partial(markdown.quoted, flavour=flavour),
        linked=partial(markdown.linked, flavour=flavour),
        field=partial(markdown.field, flavour=flavour),
        table=partial(markdown.table, flavour=flavour),
        fenced=markdown.fenced,
        written=markdown.Written,
    )
    environment.globals["pictures"] = flavour is GITHUB
    return environment.get_template("report.md.j2")


@cache
def _html_template() -> Template:
    return _environment(autoescape=True, finalize=_visible).get_template("report.html.j2")


def _environment(*, autoescape: bool, finalize: Callable[[object], object]) -> Environment:
    return Environment(
        loader=PackageLoader("bot", "reporting/templates"),
        undefined=StrictUndefined,
        autoescape=autoescape,  # noqa: S701 - on for HTML; Markdown is escaped by its own rules
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _written(value: object, *, flavour: Flavour) -> str:
    if isinstance(value, markdown.Written):
        return value
    return markdown.cell(str(value), flavour)


def _visible(value: object) -> object:
    """Text without invisible characters; what is markup already stays as it is."""
    return value if isinstance(value, Markup) else markdown.plain(str(value))


# Saved logs, grouped into patterns by drain3, with what is nobody's business masked.

LISTED = 25
"""Patterns that a report lists; how many more there are is said."""
LINES_A_FILE = 20_000
"""The newest lines of a log that are grouped; how many are left out is said."""
_LONGEST_LINE = 1_000
_LONGEST_EXAMPLE = 300
_MASKS = (
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"), "<email>"),
    (re.compile(r"(?i)\b(?:bearer|basic)\s+[\w.~+/=-]{6,}"), "<credential>"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"), "<token>"),
    (re.compile(r"(://)[^/\s:@]{1,200}:[^/\s@]{1,200}@"), r"\1<credential>@"),
    (
        re.compile(
            r"""(?ix)\b([\w-]{0,40}(?:password|passwd|pwd|secret|token|api[_-]?key|apikey
            |authorization|cookie|session[_-]?id|private[_-]?key))
            (["']?\s{0,3}[:=]\s{0,3})("[^"]*"?|'[^']*'?|[^\s,;&"']+)"""
        ),
        r"\1\2<secret>",
    ),
    (re.compile(r"\b(?:xox[a-z]-|xapp-|gh[pousr]_|github_pat_|sk-|AKIA|ASIA)[\w-]{8,}"), "<token>"),
    (
        re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"),
        "<uuid>",
    ),
    (re.compile(r"\b(?:0x)?[0-9a-fA-F]{16,}\b"), "<hex>"),
    (re.compile(r"\b\d{12,19}\b|\b(?:\d{4}[ -]){3}\d{1,7}\b"), "<number>"),
)
"""Obvious ones only: what an application should not log is not all found afterwards."""


def masked(line: str) -> str:
    """A line without e-mail addresses, credentials, tokens and long identifiers."""
    for pattern, mask in _MASKS:
        line = pattern.sub(mask, line)
    return line


def log_patterns(logs: Mapping[str, str]) -> LogPatterns | None:
    """Group the lines of logs, given by their names; None when there are none.

    The same logs give the same patterns. Takes seconds for many megabytes: call it outside the
    event loop.
    """
    if not logs:
        return None
    # Loaded only here: most incidents never come this far while the process lives.
    from drain3.drain import Drain  # type: ignore[import-untyped] # noqa: PLC0415 - no stubs exist

    miner = Drain(sim_th=0.5)
    examples: dict[int, str] = {}
    total = left_out = 0
    for name in sorted(logs):
        lines = [line.strip() for line in logs[name].splitlines() if line.strip()]
        left_out += max(0, len(lines) - LINES_A_FILE)
        for line in _masked_lines(lines[-LINES_A_FILE:]):
            total += 1
            cluster, _ = miner.add_log_message(line)
            examples.setdefault(cluster.cluster_id, line)
    found = [
        LogPattern(
            count=cluster.size,
            template=_shortened(cluster.get_template()),
            example=_shortened(examples[cluster.cluster_id]),
        )
        for cluster in sorted(miner.clusters, key=lambda one: (-one.size, one.cluster_id))
    ]
    rarer = found[LISTED:]
    return LogPatterns(
        files=len(logs),
        lines=total,
        patterns=tuple(found[:LISTED]),
        rarer_patterns=len(rarer),
        rarer_lines=sum(pattern.count for pattern in rarer),
        note=f"{left_out} older lines were left out." if left_out else "",
    )


def _masked_lines(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        # Cut first, so that a line of megabytes costs no time; a cut secret is masked all the same.
        yield masked(line[:_LONGEST_LINE])


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST_EXAMPLE:
        return text
    return f"{text[:_LONGEST_EXAMPLE]}… ({len(text) - _LONGEST_EXAMPLE} more characters)"
