"""The live system, as strategies and steps see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from pydantic import Field

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import Cluster, Right
from bot.clouds.outside import Aws, Commands, Http, Secrets
from bot.core.clock import Clock
from bot.core.values import Facts, Instant, Value
from bot.incident.freeze import MarkedObject
from bot.incident.plan import Candidate, Plan, Step


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything a step may touch."""

    cluster: Cluster
    http: Http
    aws: Aws
    commands: Commands
    secrets: Secrets
    clock: Clock


class Observation(Value):
    """The service as it is now."""

    live_release: str
    candidates: tuple[Candidate, ...]
    """Releases one could go back to, the most recent first, without the live one."""
    released_at: Instant | None = None
    """When the live release began to serve; None when that cannot be told."""
    summary: str


class Instance(Value):
    """A replica that serves, or should serve, users now."""

    namespace: str
    name: str
    release: str
    ready: bool
    askable: bool = True
    """Whether it can be asked for its version through the cluster."""
    problem: str = ""


class Evidence(Value):
    """Something the rollback may destroy."""

    name: str
    """File name."""
    text: str


class StepState(StrEnum):
    """How the live system relates to a step."""

    BEFORE = "before"
    """As the plan expects: the step can act."""
    AFTER = "after"
    """The end state holds already."""
    OTHER = "other"
    """Neither: somebody or something changed it."""


class Observed(Value):
    """What a step found."""

    state: StepState
    summary: str
    facts: Facts = Field(default_factory=dict)
    changed_by: str = ""
    """Who changed it last, for OTHER (from managedFields)."""


class StepKind(Protocol):
    """One kind of step. ``act`` is only called after ``observe`` said BEFORE."""

    name: str

    async def observe(self, step: Step, world: World) -> Observed:
        """Compare the live system with the step's expectation; changes nothing."""

    async def act(self, step: Step, world: World) -> None:
        """Make the change; raises WorldMovedError when the expectation no longer holds."""

    async def confirm(self, step: Step, world: World) -> str:
        """Wait until the end state is reached and describe it in a sentence.

        Raises PermanentError as soon as it can no longer be reached.
        """


class SchemaFit(Value):
    """Whether a database's schema, as it is, fits a release of the application."""

    fits: bool | None
    """None where it cannot be told."""
    evidence: tuple[str, ...]
    """What was seen, one sentence each; never empty."""


@runtime_checkable
class KnowsSchema(Protocol):
    """A strategy that can look into the service's database."""

    async def schema_fits(self, service: ServiceEntry, world: World, *, release: str) -> SchemaFit:
        """Compare; changes nothing. Raises the database's errors when it cannot be asked."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A service that takes part in a plan over several, with what the bot remembers of it."""

    entry: ServiceEntry
    marked_bad: frozenset[str] = frozenset()
    known_good: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    """Every service of the catalog that it relies on, directly or not."""

    def with_needs(self, needs: frozenset[str]) -> Peer:
        """The same with other services that it relies on."""
        return replace(self, needs=needs)


class Strategy(Protocol):
    """A way to roll back, and what others must know of it. Only its steps change things.

    Registered under the entry-point group ``rollback_bot.strategies``. Whoever inherits from it
    says only what is different from the usual.
    """

    name: str
    """What the catalog calls it; its page is ``docs/strategies/<name>.md``."""
    settings: Any
    """The type of its entry in the catalog: a ``Target``, or a union that a key tells apart."""
    steps: tuple[StepKind, ...] = ()
    """Every kind of step that its plans have; several strategies may share one."""
    cost: int = 90
    """Where it stands in a composed plan, the smallest first: a flag (10) takes seconds and is
    free to take back, a database (100) may lose data."""
    moves_users: bool = True
    """Whether its plans change the release that users reach. A plan that does not has an empty
    ``version_after``."""

    def rights(self, service: ServiceEntry) -> Mapping[str, Sequence[Right]]:
        """By namespace, what every plan for the service takes there; a plan may take more."""
        return {}

    async def frozen(self, service: ServiceEntry, world: World) -> tuple[MarkedObject, ...]:
        """What a deployment of the service changes, where the mark of a freeze belongs.

        Raises what reading the live system raises.
        """
        return ()

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """The live release and where one could go."""

    async def plan(
        self,
        name: str,
        service: ServiceEntry,
        world: World,
        *,
        target: str | None,
        marked_bad: frozenset[str],
        known_good: Sequence[str],
    ) -> Plan:
        """Choose the target, build the steps, run every preflight.

        ``known_good`` lists releases that served within their limits, most recent first.
        Raises RefusedError when there is nothing to do or nowhere to go, and the errors of the
        world's ports when it cannot be observed.
        """

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """The replicas that serve, or should serve, users now."""

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """Logs and objects of a release that a rollback may destroy.

        What cannot be read is named inside the evidence, so that one missing log stops nothing.
        """


@runtime_checkable
class OverServices(Strategy, Protocol):
    """A strategy whose plans may be about other services too."""

    def others(self, service: ServiceEntry) -> tuple[str, ...]:
        """The names of the other services."""

    def among(self, peers: Mapping[str, Peer], *, only: Sequence[str] = ()) -> Strategy:
        """The strategy that knows all of them, for the chosen parts; empty for every part."""
