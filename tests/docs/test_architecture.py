"""The page about the architecture names every room of the code, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.pages import ROOT, page

PAGE = page("docs/architecture.md")
ROOMS = dict(re.findall(r"^\| `([\w/.]+)`[^|]*\| ([^|]+) \|", PAGE.text, re.MULTILINE))


def _packages(where: str) -> set[str]:
    """The folders with code or templates in them."""
    return {
        child.name
        for child in (ROOT / where).iterdir()
        if child.is_dir() and any(_written(child)) and not child.name.startswith((".", "_"))
    }


def _written(folder: Path) -> list[Path]:
    return [one for ending in ("py", "j2") for one in folder.rglob(f"*.{ending}")]


def test_every_room_of_the_bot_is_in_the_table() -> None:
    named = set(re.findall(r"`bot/(\w+)/`", PAGE.text))
    assert named == _packages("bot")


def test_the_other_packages_are_in_it_too() -> None:
    ours = {"handlers", "strategies", "sandbox", "benchmarks"}
    assert ours <= {room.rstrip("/") for room in ROOMS}
    assert set(re.findall(r"`(\w+)/`", ROOMS["strategies/"])) == _packages("strategies")


def test_every_file_of_the_bot_that_it_names_is_there() -> None:
    for span in PAGE.spans():
        if re.fullmatch(r"(?:domain|pipeline|adapters|terminal|views|ports)/[\w*./]+", span):
            assert list((ROOT / "bot").glob(span)), span
