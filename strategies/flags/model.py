"""A feature flag as the strategy sees it, whatever service keeps it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from pydantic import Field

from bot.domain.plan import Preflight
from bot.domain.values import Facts, Instant, Value
from bot.domain.workloads import moment
from bot.ports.world import StepState


class FlagState(Value):
    """What is recorded before a change, and what an undo restores."""

    enabled: bool
    """Whether the feature reaches anybody by this flag."""
    settings: Facts = Field(default_factory=dict)
    """What decides who gets it and in which form: percentage, rules, value."""


class Flag(Value):
    """One reading of a flag."""

    state: FlagState
    summary: str
    """The state in a few words: “on for 50 % of the users”."""
    version: str = ""
    """Changes with every change of the flag; empty where the service has no such thing."""
    changed_at: Instant | None = None
    changed_by: str = ""
    """Who changed it last, where the service tells."""
    settled: bool = True
    """False while the service still carries out the last change."""
    document: Any = None
    """What the service answered."""


class FlagService(Protocol):
    """A flag at the service that keeps it. Raises as ``bot.ports.outside.Http`` and the API do."""

    place: str
    """Where the flag is, for people: “Unleash (default/production)”."""

    async def read(self) -> Flag:
        """The flag now; raises NotFoundError when there is none."""

    async def switch(self, flag: Flag, wanted: FlagState) -> None:
        """Change it, guarded by a precondition of the API where it has one.

        ``flag`` is a fresh reading. Raises WorldMovedError when it changed since.
        """

    def off(self, flag: Flag) -> FlagState:
        """The state that switching off leads to."""

    async def preflights(self, flag: Flag) -> tuple[Preflight, ...]:
        """What should be known of this service before the flag is switched off."""

    def caveats(self, flag: Flag) -> tuple[str, ...]:
        """What an undo cannot restore."""

    def command(self, flag: Flag, wanted: FlagState) -> str:
        """The equivalent shell command of a change."""

    def read_command(self) -> str:
        """The shell command that shows the flag."""


def reached(flag: Flag, wanted: FlagState) -> bool:
    """Whether the flag is as wanted; off is off, whatever it would do when it was on."""
    if not wanted.enabled:
        return not flag.state.enabled
    return flag.state == wanted


def compare(flag: Flag, *, old: FlagState, new: FlagState, version: str) -> StepState:
    """How a flag relates to a change; ``version`` is empty when any will do."""
    if reached(flag, new):
        return StepState.AFTER
    moved = bool(version and flag.version and version != flag.version)
    return StepState.OTHER if flag.state != old or moved else StepState.BEFORE


def stamp(text: object) -> datetime | None:
    """A time that a service states; None when it is missing or lacks its zone."""
    at = moment(text)
    return at if at is not None and at.tzinfo is not None else None
