"""Text into GitHub-flavoured Markdown, so that it reads as it was written and does nothing else.

Everything that comes from outside may look like markup: a reason with a pipe in it, a pod's answer
in HTML, a root cause that begins with a hash.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Control characters, and those that turn the direction of what follows.
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MARKUP = re.compile(r"[\\`*\[\]|~$]")
_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_ENTITY = re.compile(r"&(?=#|\w+;)")
_BLOCK = re.compile(r"^([#>+=-]|\d{1,9}(?=[.)](?:\s|$)))")


class Written(str):
    """Text that is Markdown already."""

    __slots__ = ()


def plain(text: str) -> str:
    """The text with ordinary line ends; what would be invisible shows as a replacement mark."""
    return _INVISIBLE.sub("\ufffd", _LINE_ENDS.sub("\n", text))


def cell(text: str) -> Written:
    """One line inside other text, such as a table's cell."""
    return Written("<br>".join(_inline(line) for line in plain(text).strip().split("\n")))


def lines(text: str) -> Written:
    """Text at the beginning of a line; its own lines follow each other without a paragraph."""
    return Written("<br>".join(_line(line) for line in plain(text).strip().split("\n")))


def quoted(text: str, by: str) -> Written:
    """A block quotation, line by line, with its author."""
    # Two spaces at the end of a line keep its break.
    quotation = [f"> {_line(line)}  " for line in plain(text).strip().split("\n")]
    author = [">", f"> — {cell(by)}"] if by else []
    return Written("\n".join([*quotation, *author]))


def row(cells: Sequence[str]) -> Written:
    """One row of a table."""
    return Written("| " + " | ".join(cell(text) for text in cells) + " |")


def fenced(text: str, language: str = "") -> Written:
    """Text as it is, between fences that it cannot close."""
    content = plain(text).rstrip("\n")
    longest = max((len(run) for run in re.findall("`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    return Written(f"{fence}{language}\n{content}\n{fence}")


def _line(text: str) -> str:
    """A line that begins no block: no heading, list, quotation or underline."""
    stripped = text.strip()
    match = _BLOCK.match(stripped)
    escaped = _inline(stripped)
    if match is None or escaped.startswith(("&", "\\")):
        return escaped
    if match[0].isdigit():
        return f"{match[0]}\\{escaped[match.end() :]}"
    return f"\\{escaped}"


def _inline(text: str) -> str:
    escaped = _MARKUP.sub(r"\\\g<0>", text.strip())
    escaped = _UNDERSCORE.sub(r"\\_", escaped)
    escaped = _ENTITY.sub("&amp;", escaped)
    return escaped.replace("<", "&lt;").replace(">", "&gt;")
