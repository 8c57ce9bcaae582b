"""What takes a canary out of service: the bot itself, or the controller that keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import Right
from bot.engine.world import Evidence, Instance, Observation, World
from bot.incident.freeze import MarkedObject
from bot.incident.plan import Candidate, Plan, Preflight
from strategies.common.choice import Option, choose, rated


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Where people want to go back to, and what the bot has recorded about releases."""

    target: str | None
    marked_bad: frozenset[str]
    known_good: Sequence[str]

    def weigh(self, stable: Option, *, live: str) -> tuple[Preflight, tuple[Candidate, ...]]:
        """What speaks for the stable release, the only one there is to go back to.

        Raises RefusedError when something else is wanted.
        """
        choice = choose(
            [stable],
            live=live,
            target=self.target,
            marked_bad=self.marked_bad,
            known_good=self.known_good,
        )
        candidates = rated(
            (stable.candidate,), marked_bad=self.marked_bad, known_good=self.known_good
        )
        return choice.preflight, candidates


class CanaryCommand(Protocol):
    """``bot.engine.world.Strategy`` for one kind of target."""

    @property
    def rights(self) -> tuple[Right, ...]:
        """What every plan takes in the target's namespace."""

    async def frozen(self, target: Any, world: World) -> tuple[MarkedObject, ...]:
        """What a deployment changes."""

    async def observe(self, target: Any, service: ServiceEntry, world: World) -> Observation:
        """The canary's release while users meet it, else the stable one."""

    async def plan(
        self, name: str, target: Any, service: ServiceEntry, world: World, wish: Wish
    ) -> Plan:
        """Everything that leads to the stable release."""

    async def instances(
        self, target: Any, service: ServiceEntry, world: World
    ) -> tuple[Instance, ...]:
        """The pods that serve."""

    async def evidence(
        self, target: Any, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """What the rollback may destroy of this release."""
