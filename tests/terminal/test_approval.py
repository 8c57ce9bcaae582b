"""What somebody who is to approve is told at the terminal."""

from __future__ import annotations

import io
import os
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from bot.core.values import Actor
from bot.terminal.journey import ask_for_approval
from bot.terminal.keyboard import Keyboard
from bot.terminal.live import Seat
from tests.communication.examples import BEN, CARA, approved_by
from tests.company.harness import catalog_of


async def _told(*approvers: Actor) -> str:
    """What is read at the terminal when a plan that needs three has these approvals."""
    reading, writing = os.pipe()
    os.write(writing, b"\n")
    os.close(writing)
    nothing: Any = None
    context: Any = SimpleNamespace(catalog=catalog_of({"approval": {"quorum": 3}}))
    screen = io.StringIO()
    seat = Seat(
        context=context,
        changes=nothing,
        engine=nothing,
        keyboard=Keyboard(reading),
        console=Console(file=screen, width=200),
    )
    incident = approved_by(*approvers)
    assert await ask_for_approval(seat, incident, approved_by="") == incident
    return screen.getvalue()


async def test_the_same_person_twice_is_one_of_those_who_are_needed() -> None:
    assert "Approvals: 2 of 3." in await _told(BEN, CARA)
    assert "Approvals: 1 of 3." in await _told(BEN, BEN)
