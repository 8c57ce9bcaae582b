"""The page about the architecture names every room of the code, and no other, in their order."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

from tests.docs.pages import ROOT, page

PAGE = page("docs/architecture.md")
ROOMS = re.findall(r"^\| `([\w/]+)/` \|", PAGE.text, re.MULTILINE)


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
    named = {room.removeprefix("bot/") for room in ROOMS if room.startswith("bot/")}
    assert named == _packages("bot")


def test_the_other_packages_are_in_it_too() -> None:
    assert {"handlers", "strategies", "sandbox", "benchmarks"} <= set(ROOMS)


def test_the_rooms_stand_in_the_order_that_is_held() -> None:
    held = ConfigParser()
    held.read(ROOT / ".importlinter")
    layers = held["importlinter:contract:rooms"]["layers"]
    order = [one.replace(".", "/") for one in re.findall(r"[\w.]+", layers)]
    assert [room for room in ROOMS if room in order] == order


def test_every_file_of_the_bot_that_it_names_is_there() -> None:
    for span in PAGE.spans():
        if re.fullmatch(r"(?:bot|handlers|strategies)/[\w/.]+", span):
            assert (ROOT / span).exists(), span
