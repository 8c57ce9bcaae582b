"""Where the operator sits: what they see, what they type, and the pipeline behind it."""

from __future__ import annotations

import getpass
import uuid
from dataclasses import dataclass, field

from rich.console import Console, RenderableType

from bot.domain.break_glass import at_terminal
from bot.domain.values import Actor
from bot.pipeline.changes import Changes
from bot.pipeline.context import Context
from bot.pipeline.engine import Engine
from bot.terminal.keyboard import Keyboard
from bot.terminal.printing import make_console, printable


def operator_of_this_machine() -> Actor:
    """The login under which the command runs."""
    try:
        return at_terminal(getpass.getuser())
    except (OSError, KeyError):
        # A container may run as a user without a name.
        return at_terminal("unknown login")


@dataclass(frozen=True, kw_only=True)
class Seat:
    """Everything a conversation at the terminal needs."""

    context: Context
    changes: Changes
    engine: Engine
    operator: Actor = field(default_factory=operator_of_this_machine)
    keyboard: Keyboard = field(default_factory=Keyboard)
    console: Console = field(default_factory=make_console)

    def say(self, text: str, *, style: str = "") -> None:
        """A line, or a few."""
        self.console.print(printable(text), style=style or None, soft_wrap=True)

    def show(self, view: RenderableType) -> None:
        """A table or the like."""
        self.console.print(view)

    async def ask(self, question: str) -> str | None:
        """An answer; empty when only Enter was pressed, None when nobody is there."""
        self.console.print(printable(question), end=" ", style="bold", soft_wrap=True)
        answer = await self.keyboard.line()
        if answer is None or not self.console.is_terminal:
            self.console.print()
        return answer


def request_id() -> str:
    """Identity of one deed at the terminal."""
    return f"terminal/{uuid.uuid4().hex}"
