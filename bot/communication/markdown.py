"""Text into Markdown, so that it reads as it was written and does nothing else.

Two flavours: GitHub's, for files and release notes, and that of Slack's canvases, which know no
HTML. Everything that comes from outside may look like markup: a reason with a pipe in it, a pod's
answer in HTML, a root cause that begins with a hash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote as percent_encoded

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Control characters, those that turn the direction of what follows, and those of no width.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_MARKUP = re.compile(r"[\\`*\[\]|~$]")
_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_ENTITY = re.compile(r"&(?=#|\w+;)")
_BLOCK = re.compile(r"^([#>+=-]|\d{1,9}(?=[.)](?:\s|$)))")
# What an address may hold beside letters and digits without ending a Markdown link.
_IN_ADDRESS = ":/?#[]@!$&'+,;=%~-._"
_CANVAS_CELLS = 300
"""A table in a canvas has no more cells (docs.slack.dev, "Canvases")."""


@dataclass(frozen=True, kw_only=True)
class Flavour:
    """How one kind of Markdown writes what differs between them."""

    line_break: str
    """A new line where Markdown allows none, such as in a cell."""
    less: str
    greater: str
    ampersand: str
    field: str
    """Around a name and its value."""
    most_cells: int | None = None
    """A longer table is written as several; None for no limit."""


GITHUB = Flavour(
    line_break="<br>", less="&lt;", greater="&gt;", ampersand="&amp;", field="**{}**: {}  "
)
CANVAS = Flavour(
    line_break=" ⏎ ",
    less="\\<",
    greater="\\>",
    ampersand="\\&",
    field="- **{}**: {}",
    most_cells=_CANVAS_CELLS,
)


class Written(str):
    """Text that is Markdown already."""

    __slots__ = ()


def plain(text: str) -> str:
    """The text with ordinary line ends; what would be invisible shows as a replacement mark."""
    return _INVISIBLE.sub("\ufffd", _LINE_ENDS.sub("\n", text))


def cell(text: str, flavour: Flavour = GITHUB) -> Written:
    """One line inside other text, such as a table's cell."""
    found = (_inline(line, flavour) for line in plain(text).strip().split("\n"))
    return Written(flavour.line_break.join(found))


def lines(text: str, flavour: Flavour = GITHUB) -> Written:
    """Text at the beginning of a line; its own lines follow each other without a paragraph."""
    found = (_line(line, flavour) for line in plain(text).strip().split("\n"))
    return Written(flavour.line_break.join(found))


def quoted(text: str, by: str, flavour: Flavour = GITHUB) -> Written:
    """A block quotation, line by line, with its author."""
    # Two spaces at the end of a line keep its break.
    quotation = [f"> {_line(line, flavour)}  " for line in plain(text).strip().split("\n")]
    author = [">", f"> — {cell(by, flavour)}"] if by else []
    return Written("\n".join([*quotation, *author]))


def linked(text: str, url: str, flavour: Flavour = GITHUB) -> Written:
    """Text at the beginning of a line that leads to an address of the web."""
    return Written(f"[{cell(text, flavour)}]({percent_encoded(url, safe=_IN_ADDRESS)})")


def field(name: str, value: str, flavour: Flavour = GITHUB) -> Written:
    """A name and its value on a line of their own."""
    return Written(flavour.field.format(cell(name, flavour), cell(value, flavour)))


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], flavour: Flavour = GITHUB
) -> Written:
    """A table; where the flavour has a limit, several with the same header."""
    at_once = len(rows) or 1
    if flavour.most_cells is not None:
        at_once = max(1, flavour.most_cells // max(1, len(header)) - 1)
    parts = [rows[start : start + at_once] for start in range(0, len(rows), at_once)] or [()]
    return Written("\n\n".join("\n".join(_table(header, part, flavour)) for part in parts))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], flavour: Flavour) -> Iterator[str]:
    yield _row(header, flavour)
    yield "|" + " --- |" * len(header)
    for cells in rows:
        yield _row(cells, flavour)


def _row(cells: Sequence[str], flavour: Flavour) -> str:
    return "| " + " | ".join(cell(text, flavour) for text in cells) + " |"


def fenced(text: str, language: str = "") -> Written:
    """Text as it is, between fences that it cannot close."""
    content = plain(text).rstrip("\n")
    longest = max((len(run) for run in re.findall("`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    return Written(f"{fence}{language}\n{content}\n{fence}")


def _line(text: str, flavour: Flavour) -> str:
    """A line that begins no block: no heading, list, quotation or underline."""
    stripped = text.strip()
    match = _BLOCK.match(stripped)
    escaped = _inline(stripped, flavour)
    if match is None or escaped.startswith(("&", "\\")):
        return escaped
    if match[0].isdigit():
        return f"{match[0]}\\{escaped[match.end() :]}"
    return f"\\{escaped}"


def _inline(text: str, flavour: Flavour) -> str:
    escaped = _MARKUP.sub(r"\\\g<0>", text.strip())
    escaped = _UNDERSCORE.sub(r"\\_", escaped)
    escaped = _ENTITY.sub(lambda _: flavour.ampersand, escaped)
    return escaped.replace("<", flavour.less).replace(">", flavour.greater)
