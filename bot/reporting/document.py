"""A document as data: what is said, apart from how it is written down."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from bot.core.values import Actor, Instant, Value, spoken
from bot.incident import events as e
from bot.incident.alerts import HeardAlert
from bot.incident.plan import Plan


class Paragraph(Value):
    """Sentences of the bot."""

    kind: Literal["paragraph"] = "paragraph"
    text: str


class Quote(Value):
    """A person's own words."""

    kind: Literal["quote"] = "quote"
    text: str
    by: str


class Item(Value):
    """One line of a list."""

    text: str
    url: str = Field(default="", pattern=r"^(https?://|$)")
    """Where it leads; empty, or an address of the web."""
    done: bool | None = None
    """Whether it is ticked, in a checklist."""


class Items(Value):
    """A list."""

    kind: Literal["items"] = "items"
    items: tuple[Item, ...]
    ordered: bool = False


class Fields(Value):
    """Names with their values, one a line."""

    kind: Literal["fields"] = "fields"
    rows: tuple[tuple[str, str], ...]


class Table(Value):
    """Rows under a header; every row has as many cells."""

    kind: Literal["table"] = "table"
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Code(Value):
    """Text to be shown as it is."""

    kind: Literal["code"] = "code"
    text: str
    language: str = ""


class Image(Value):
    """A picture that is kept beside the document."""

    kind: Literal["image"] = "image"
    file: str
    alt: str


Block = Annotated[
    Paragraph | Quote | Items | Fields | Table | Code | Image, Field(discriminator="kind")
]


class Section(Value):
    """A heading with what stands under it, which is never nothing."""

    number: str = ""
    """``1``, ``2.1``: as in the report's template; empty where sections have none."""
    title: str
    blocks: tuple[Block, ...]

    @property
    def heading(self) -> str:
        """Number and title."""
        return f"{self.number}. {self.title}" if self.number else self.title

    @property
    def depth(self) -> int:
        """0 for a chapter, 1 for a part of one."""
        return self.number.count(".")


class DocumentName(StrEnum):
    """The documents that are made of an incident."""

    ROLLBACK_REPORT = "rollback-report"
    INCIDENT_REPORT = "incident-report"
    RELEASE_PLAN_SUMMARY = "release-plan-summary"


class Document(Value):
    """A whole text: title, what stands under it, sections."""

    name: DocumentName
    title: str
    level: int = 1
    """Of the title's heading: 2 for a part of a larger document."""
    blocks: tuple[Block, ...]
    """Before the first section."""
    sections: tuple[Section, ...]


def paragraph(*sentences: str) -> Paragraph:
    """Sentences in one paragraph; empty ones are left out."""
    return Paragraph(text=" ".join(sentence for sentence in sentences if sentence))


def items(*texts: str | Item, ordered: bool = False) -> Items:
    """A list of texts."""
    found = (Item(text=text) if isinstance(text, str) else text for text in texts)
    return Items(items=tuple(found), ordered=ordered)


def linked(text: str, url: str, *, done: bool | None = None) -> Item:
    """A line that leads somewhere; an address that a browser could run is shown, not linked."""
    if url.startswith(("https://", "http://")):
        return Item(text=text, url=url, done=done)
    return Item(text=f"{text} ({url})" if url else text, done=done)


def fields(*rows: tuple[str, str]) -> Fields:
    """Names with their values."""
    return Fields(rows=rows)


def table(*header: str, rows: list[tuple[str, ...]]) -> Table:
    """A table from its header and rows."""
    return Table(header=header, rows=tuple(rows))


def quote(text: str, by: Actor | None) -> Quote:
    """A person's words."""
    return Quote(text=text, by=by.name if by else "")


def clock_time(moment: datetime | None) -> str:
    """A moment with its date, or a dash."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "–"


def sentence(text: str) -> str:
    """A text with a full stop at its end and a capital at its beginning."""
    stripped = text.strip()
    if not stripped:
        return ""
    ended = stripped if stripped[-1] in ".!?…" else f"{stripped}."
    return ended[0].upper() + ended[1:]


# Saved log lines, grouped by what they have in common.


class LogPattern(Value):
    """Lines that differ in their figures and names only."""

    count: int
    template: str
    """The common words; ``<*>`` stands where lines differ."""
    example: str
    """The first such line, masked and shortened."""


class LogPatterns(Value):
    """What the saved logs say, the most frequent first."""

    files: int
    lines: int
    patterns: tuple[LogPattern, ...]
    rarer_patterns: int = 0
    """So many more patterns are not listed."""
    rarer_lines: int = 0
    note: str = ""
    """What was left out before the lines were grouped, if anything."""


# Alerts in the words of the timeline.

_NAMED = 10
"""Alerts that one line of the timeline tells; more are counted."""


def received(event: e.AlertReceived, plan: Plan | None) -> str:
    """What began and what ended."""
    told = [sentence(_received(alert)) for alert in event.alerts[:_NAMED]]
    more = len(event.alerts) - _NAMED
    return " ".join([*told, *([f"And {more} more."] if more > 0 else [])])


def at_the_declaration(declared: e.Declared, released_at: Instant | None) -> str:
    """The alerts that fired when the assessment was opened, the one that detected it first."""
    first = declared.noticed_by(released_at)
    others = [alert for alert in declared.alerts if alert != first]
    detected = [sentence(f"Detected by monitoring: {_received(first)}")] if first else []
    fired = [sentence(_received(alert)) for alert in others[:_NAMED]]
    more = len(others) - _NAMED
    return " ".join([*detected, *fired, *([f"And {more} more fired."] if more > 0 else [])])


def called(alert: HeardAlert) -> str:
    """An alert's name as one says it."""
    return alert.name or "without a name"


def _received(alert: HeardAlert) -> str:
    if alert.ended_at is None:
        return _fires(alert)
    lasted = spoken((alert.ended_at - alert.started_at).total_seconds())
    return f"alert {called(alert)} ended at {clock_time(alert.ended_at)}, after {lasted}"


def _fires(alert: HeardAlert) -> str:
    since = clock_time(alert.started_at)
    severity = f" ({alert.severity})" if alert.severity else ""
    said = f": {alert.summary}" if alert.summary else ""
    values = f" [{alert.values}]" if alert.values else ""
    origin = ", ".join(part for part in (alert.source, alert.link) if part)
    where = f" ({origin})" if origin else ""
    return f"alert {called(alert)}{severity} fires since {since}{said}{values}{where}"
