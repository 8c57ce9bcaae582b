"""Questions at the end, answered by tired people."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
from rich.console import Console

from bot.incident.events import FollowUp
from bot.incident.state import Phase
from bot.terminal.journey import ask_for_follow_up, ask_what_next
from bot.terminal.keyboard import Keyboard
from bot.terminal.live import Seat
from tests.communication.examples import incident_in

NOTHING: Any = None
"""No part of the pipeline is asked."""


def seat(typed: str) -> Seat:
    """A terminal at which this was typed."""
    reading, writing = os.pipe()
    os.write(writing, typed.encode())
    os.close(writing)
    console = Console(file=io.StringIO(), width=200)
    return Seat(
        context=NOTHING,
        changes=NOTHING,
        engine=NOTHING,
        keyboard=Keyboard(reading),
        console=console,
    )


def shown(at: Seat) -> str:
    """What the person read."""
    assert isinstance(at.console.file, io.StringIO)
    return at.console.file.getvalue()


@pytest.mark.parametrize(
    ("typed", "meant", "asked"),
    [
        ("hotfix\n", FollowUp.HOTFIX, 1),
        ("Hotfix\n", FollowUp.HOTFIX, 1),
        ("hotfx\nhotfix\n", FollowUp.HOTFIX, 2),
        ("\n", FollowUp.REPLAN, 1),
        ("", FollowUp.REPLAN, 1),
    ],
)
async def test_a_slip_is_asked_about_and_not_taken_for_something_else(
    typed: str, meant: FollowUp, asked: int
) -> None:
    at = seat(typed)
    assert await ask_for_follow_up(at) is meant
    assert shown(at).count("The withdrawn release:") == asked


async def test_a_slip_does_not_end_the_conversation() -> None:
    at, incident = seat("verfy\nundoo\n\n"), incident_in(Phase.INCONCLUSIVE)
    assert await ask_what_next(at, incident, target=None) == incident
    assert "“verfy” is none of these." in shown(at)
    assert shown(at).count("What next?") == 3
