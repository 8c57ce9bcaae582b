"""Follow an incident: every event as a line, the running phase as a bar."""

from __future__ import annotations

import asyncio
import getpass
import uuid
from dataclasses import dataclass, field

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from bot.core.errors import RefusedError
from bot.core.printable import here, printable
from bot.core.values import Actor
from bot.engine.context import Changes, Context
from bot.engine.engine import Engine
from bot.execution import execute
from bot.incident import events as e
from bot.incident.approval import at_terminal
from bot.incident.duties import owed
from bot.incident.fold import fold
from bot.incident.state import Incident, Phase
from bot.reporting.timeline import timeline
from bot.terminal.keyboard import Keyboard, make_console

# Where the operator sits: what they see, what they type, and the pipeline behind it.


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


_LOOK_SECONDS = 0.25
"""How often the store is asked: another process may work on the incident."""
_WAKE_LOOKS = 8
"""After so many looks this process tries again to do what is owed."""
_UNTOLD = (e.PlanProposed, e.StepStarted)
"""Shown in another way: the plan as a whole, the step in the bar."""


class LeftError(Exception):
    """The operator left while something was still owed."""


@dataclass(kw_only=True)
class Follower:
    """Tells what happens to one incident, from where it last stopped."""

    seat: Seat
    incident_id: str
    told: int = 0
    """Number of the last event that was told."""
    _is_pausing: bool = field(default=False, init=False)

    async def until_quiet(self) -> Incident:
        """Have done what is owed, and tell it; the state in which a person is next.

        Ctrl-C pauses the execution at the next boundary; a second one, or one outside the
        execution, raises LeftError: the work is taken up by “resume”, or by a bot that serves.
        """
        self._is_pausing = False
        with self._progress() as progress:
            bar = progress.add_task("", total=None, visible=False)
            look = 0
            while True:
                incident = await self._tell()
                self._draw(progress, bar, incident)
                if owed(incident) is None:
                    return incident
                if look % _WAKE_LOOKS == 0:
                    self.seat.engine.wake(self.incident_id)
                look += 1
                await self._wait(incident)

    async def _tell(self) -> Incident:
        """Print what is new."""
        recorded = await self.seat.context.journal.events(self.incident_id)
        if recorded[-1].seq > self.told:
            for item, moment in zip(recorded, timeline(recorded), strict=True):
                if item.seq <= self.told or isinstance(item.event, _UNTOLD):
                    continue
                who = f"{moment.who}: " if moment.who else ""
                line = f"{moment.at:%H:%M:%S}  {who}{here(moment.text, self.incident_id)}"
                loud = "bold red" if isinstance(item.event, e.BreakGlassUsed) else ""
                self.seat.say(line, style=loud)
            self.told = recorded[-1].seq
        return fold(self.incident_id, recorded)

    async def _wait(self, incident: Incident) -> None:
        """Until something happens in this process, or it is time to look; acts on Ctrl-C."""
        keyboard, seen = self.seat.keyboard, incident.seq
        interrupt = asyncio.create_task(keyboard.interrupted.wait())
        change = asyncio.create_task(
            self.seat.changes.wait(incident, lambda now: now.seq > seen, seconds=_LOOK_SECONDS)
        )
        await asyncio.wait({interrupt, change}, return_when=asyncio.FIRST_COMPLETED)
        for task in (interrupt, change):
            task.cancel()
        await asyncio.gather(interrupt, change, return_exceptions=True)
        if keyboard.interrupted.is_set():
            keyboard.interrupted.clear()
            await self._pause(incident)

    async def _pause(self, incident: Incident) -> None:
        if self._is_pausing or incident.phase not in {Phase.APPROVED, Phase.EXECUTING}:
            raise LeftError
        self._is_pausing = True
        wish = e.PauseRequested(by=self.seat.operator)
        try:
            await execute.steer(self.seat.context, incident.id, wish, request_id=request_id())
        except RefusedError:
            raise LeftError from None
        self.seat.say("Pausing after this step. Ctrl-C again leaves at once.", style="yellow")

    # -- the bar ---------------------------------------------------------------------------------

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            console=self.seat.console,
            transient=True,
            disable=not self.seat.console.is_terminal,
        )

    def _draw(self, progress: Progress, bar: TaskID, incident: Incident) -> None:
        plan = incident.plan
        if incident.phase is Phase.EXECUTING and plan:
            index = incident.current_step
            total = len(plan.steps)
            title = plan.steps[index].title if index is not None else "all steps are done"
            done = total if index is None else index
            said = f"Step {min(done + 1, total)} of {total}: {title}"
            self._set(progress, bar, said, completed=done, total=total)
        elif incident.phase is Phase.VERIFYING:
            since = incident.verification.since if incident.verification else incident.changed_at
            now = self.seat.context.clock.now()
            service = incident.declared.service
            last = self.seat.context.catalog.verification_of(service).checkpoints[-1]
            passed = (now - since).total_seconds()
            self._set(
                progress, bar, "Measuring recovery", completed=passed, total=last.total_seconds()
            )
        else:
            self._set(progress, bar, incident.phase.value.replace("_", " "), total=None)

    def _set(
        self,
        progress: Progress,
        bar: TaskID,
        said: str,
        *,
        total: float | None,
        completed: float = 0,
    ) -> None:
        description = Text(here(said, self.incident_id)).plain
        progress.update(
            bar, description=description, total=total, completed=completed, visible=True
        )
