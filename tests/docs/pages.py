"""The project's Markdown pages, and what stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*?) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block."""

    kind: str
    """``yaml``, ``sh`` …"""
    note: str
    """The HTML comment on the line before it."""
    text: str
    place: str
    """File and line, for people."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One Markdown file."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    def blocks(self) -> Iterator[Block]:
        """The fenced blocks."""
        for found in _FENCE.finditer(self.text):
            line = self.text.count("\n", 0, found.start("kind")) + 1
            yield Block(
                kind=found["kind"],
                note=found["note"] or "",
                text=found["text"],
                place=f"{self.name}:{line}",
            )

    @property
    def prose(self) -> str:
        """Everything outside of fenced blocks."""
        return _FENCE.sub("", self.text)

    def spans(self) -> Iterator[str]:
        """What stands in backticks."""
        for found in _SPAN.finditer(self.prose):
            yield " ".join(found[2].split())

    @property
    def anchors(self) -> frozenset[str]:
        """What a link can lead to, as GitHub names headings."""
        titles = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return frozenset(_anchor(title) for title in titles)


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")


@cache
def pages() -> tuple[Page, ...]:
    """The pages at the top, and everything under docs/ and examples/."""
    folders = [ROOT.glob("*.md"), (ROOT / "docs").rglob("*.md"), (ROOT / "examples").rglob("*.md")]
    paths = [path for found in folders for path in sorted(found)]
    return tuple(Page(path=path, text=path.read_text(encoding="utf-8")) for path in paths)


def page(name: str) -> Page:
    """One of them, by its path."""
    return next(one for one in pages() if one.name == name)
