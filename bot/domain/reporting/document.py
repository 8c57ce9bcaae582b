"""A document as data: what is said, apart from how it is written down."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from bot.domain.values import Actor, Value


class Paragraph(Value):
    """Sentences of the bot."""

    kind: Literal["paragraph"] = "paragraph"
    text: str


class Quote(Value):
    """A person's own words."""

    kind: Literal["quote"] = "quote"
    text: str
    by: str


class Items(Value):
    """A list."""

    kind: Literal["items"] = "items"
    items: tuple[str, ...]
    ordered: bool = False


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


Block = Annotated[Paragraph | Quote | Items | Table | Code | Image, Field(discriminator="kind")]


class Section(Value):
    """A numbered heading with what stands under it, which is never nothing."""

    number: str
    """``1``, ``2.1``: as in the report's template."""
    title: str
    blocks: tuple[Block, ...]

    @property
    def level(self) -> int:
        """Depth of the heading: 2 for a chapter, 3 for a part of one."""
        return 2 + self.number.count(".")


def paragraph(*sentences: str) -> Paragraph:
    """Sentences in one paragraph; empty ones are left out."""
    return Paragraph(text=" ".join(sentence for sentence in sentences if sentence))


def items(*texts: str, ordered: bool = False) -> Items:
    """A list of texts."""
    return Items(items=texts, ordered=ordered)


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
