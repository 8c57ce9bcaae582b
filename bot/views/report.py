"""A report as files: Markdown, HTML, JSON, and the Markdown of Slack's canvases."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from bot.domain.events import Recorded
from bot.domain.incident import Incident
from bot.domain.recovery import Bucket
from bot.domain.report import Report, build_report
from bot.domain.reporting.document import Document, DocumentName, Section, paragraph
from bot.views import markdown
from bot.views.markdown import CANVAS, GITHUB, Flavour

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
        loader=PackageLoader("bot", "templates"),
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
