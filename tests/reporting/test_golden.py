"""The reports as they were agreed: a change of words is a change to look at.

After an intended change, write the files anew and read the difference before it is committed:

    UPDATE_GOLDEN=1 .venv/bin/pytest tests/reporting/test_golden.py && git diff tests/golden
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from bot.reporting.chart import draw_chart
from bot.reporting.document import DocumentName
from bot.reporting.pages import (
    render_canvas,
    render_html,
    render_json,
    render_markdown,
    report_schema,
)
from bot.reporting.report import Report
from tests.reporting.report_stories import HOSTILE, LONG, STORIES

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
SCHEMA = ROOT / "docs" / "report.schema.json"
UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))
FILES = (
    *(f"{name.value}.{ending}" for name in DocumentName for ending in ("md", "html")),
    "report.json",
    "canvas.md",
)
NOT_THE_SAME_EVERYWHERE = re.compile(r"<svg.*</svg>", re.DOTALL)
"""The drawing depends on matplotlib's version; it is looked at in other tests."""


@cache
def report(story: str) -> Report:
    return STORIES[story]().report


@cache
def written(story: str) -> dict[str, str]:
    """Every file of a story."""
    built = report(story)
    svg = draw_chart(built).svg if built.chart_file else ""
    found = {"report.json": render_json(built)}
    for document in built.documents:
        found[f"{document.name.value}.md"] = render_markdown(document)
        found[f"{document.name.value}.html"] = render_html(document, chart=svg)
    found["canvas.md"] = render_canvas(built.document(DocumentName.ROLLBACK_REPORT))
    return found


def agreed(path: Path, text: str) -> None:
    if UPDATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path} differs; see this file's docstring"


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("story", STORIES)
def test_the_report_reads_as_agreed(story: str, file: str) -> None:
    text = NOT_THE_SAME_EVERYWHERE.sub("<svg></svg>", written(story)[file])
    agreed(GOLDEN / story / file, text)


def test_the_published_schema_is_that_of_the_models() -> None:
    published = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert published == report_schema(), "run “make docs”"


@pytest.mark.parametrize("story", STORIES)
def test_the_json_is_what_the_schema_promises_and_comes_back_the_same(story: str) -> None:
    text = written(story)["report.json"]
    jsonschema.validate(json.loads(text), report_schema())
    assert Report.model_validate_json(text) == report(story)
    assert not re.search("[\u200b\u202e\x1b]", text)


class Page(HTMLParser):
    """What a browser would make of a page, as far as a test needs it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.headings: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.open and re.fullmatch("h[1-4]", self.open[-1]):
            self.headings.append(data)

    def attributes(self) -> Iterator[tuple[str, str]]:
        for _, attributes in self.tags:
            for name, value in attributes.items():
                yield name, value or ""


ORDINARY = (
    "html head meta title style body main nav section h1 h2 h3 h4 p blockquote footer bdi ul ol li "
    "a span dl div dt dd table thead tbody tr th td pre code figure figcaption"
)
DRAWN = "svg defs style g path use text clippath rect pattern"


@pytest.mark.parametrize("name", DocumentName)
@pytest.mark.parametrize("story", STORIES)
def test_a_page_holds_no_markup_but_its_own_and_needs_nothing_from_elsewhere(
    story: str, name: DocumentName
) -> None:
    page = Page(written(story)[f"{name.value}.html"])
    assert page.open == []
    assert {tag for tag, _ in page.tags} <= {*ORDINARY.split(), *DRAWN.split()}
    attributes = list(page.attributes())
    assert not [n for n, _ in attributes if n.startswith("on") or n in {"src", "srcset", "action"}]
    links = {value for n, value in attributes if n == "href"}
    assert all(link.startswith(("#", "https://", "http://")) for link in links)
    assert ("name", "viewport") in attributes
    assert any("default-src 'none'" in value for _, value in attributes)
    document = report(story).document(name)
    assert page.headings == [document.title, *(s.heading for s in document.sections)]


@pytest.mark.parametrize("story", STORIES)
def test_the_drawing_stands_in_the_page_and_a_missing_one_is_said(story: str) -> None:
    page = written(story)["rollback-report.html"]
    drawn = report(story).chart_file is not None
    assert (page.count("<svg") == 1) is drawn
    assert ("There is no chart" in page) is not drawn
    assert "<svg" not in page or "var(--chart-ink, #222222)" in page


def test_nothing_that_people_typed_is_cut_or_runs() -> None:
    text = "".join(Page(written("hostile")["rollback-report.html"]).texts)
    assert text.count(LONG) >= 4
    for line in HOSTILE.splitlines()[:-1]:
        assert text.count(line) >= 5, line
    assert "{{ 7 * 7 }} {% raw %}" in text
    assert "\u202e" not in text


def test_a_canvas_knows_no_html_no_deep_headings_and_no_long_tables() -> None:
    for story in STORIES:
        canvas = written(story)["canvas.md"]
        assert not re.search(r"(?<!\\)<(?!\*)[a-z/!]", without_code(canvas))
        assert "<br>" not in canvas
        assert not re.search(r"^#{4,} ", canvas, re.MULTILINE)
        assert "](INC-" not in canvas
        for table in re.findall(r"(?:^\|.*\n)+", canvas, re.MULTILINE):
            rows = table.splitlines()
            columns = len(re.findall(r"(?<!\\)\|", rows[0])) - 1
            assert (len(rows) - 1) * columns <= 300


def without_code(markdown: str) -> str:
    return re.sub(r"^(`{3,}).*?^\1$", "", markdown, flags=re.MULTILINE | re.DOTALL)
