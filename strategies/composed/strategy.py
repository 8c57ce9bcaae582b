"""Composed: one plan over several strategies, the cheapest and most reversible first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from bot.catalog.service import ServiceEntry
from bot.catalog.target import STRATEGIES, ComposedPart, Target
from bot.core.errors import ConfigurationError, RefusedError
from bot.engine.world import Evidence, Instance, Observation, Peer, Strategy, World
from bot.incident.freeze import MarkedObject
from bot.incident.plan import Plan, PlanPart, Preflight, PreflightVerdict, Step

# Several ways at once, in one plan, for one service or for several.


def _written_short(given: Any) -> Any:
    return {"strategy": given} if isinstance(given, str) else given


Part = Annotated[ComposedPart, BeforeValidator(_written_short, json_schema_input_type=str | Any)]
"""``rolling``, or ``{service: payments, strategy: rolling}``."""


class ComposedTarget(Target):
    """One plan over several ways to roll back, cheapest and most reversible first."""

    strategy: Literal["composed"]
    parts: tuple[Part, ...] = Field(min_length=2)
    """Strategies that stand beside this one in the service's ``rollback``, and those of other
    services as ``{service: …, strategy: …}``."""
    order: Literal["cost", "listed"] = "cost"
    """``cost``: flag, traffic, application, database, and among equals those first that need the
    others (``dependencies``). ``listed``: as ``parts`` has them."""

    @model_validator(mode="after")
    def _each_once_and_one_of_its_own(self) -> ComposedTarget:
        if len(set(self.parts)) < len(self.parts):
            raise ValueError("parts must be different strategies, or those of different services")
        if any(part.strategy == "composed" for part in self.parts):
            raise ValueError("none of the parts may be composed itself")
        if all(part.service for part in self.parts):
            raise ValueError("parts must have a strategy of the service itself")
        return self

    @property
    def is_in_cluster(self) -> bool:
        """Its parts are where they are."""
        return False

    @property
    def composed_of(self) -> tuple[ComposedPart, ...]:
        """Its parts."""
        return self.parts


# The parts of a composed rollback, with everything that planning each of them takes.


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part with everything that planning it takes."""

    part: ComposedPart
    service: str
    own: bool
    strategy: Strategy
    peer: Peer

    @property
    def cost(self) -> int:
        """Of its strategy."""
        return self.strategy.cost

    @property
    def needs(self) -> frozenset[str]:
        """Every service that it relies on, directly or not."""
        return self.peer.needs

    @property
    def moves(self) -> bool:
        """Whether it decides which release users reach."""
        return self.strategy.moves_users


def chosen(name: str, pieces: list[Piece], only: Sequence[str]) -> list[Piece]:
    """Those that were asked for; raises RefusedError for one that is not a part."""
    names = {_key(piece): {_key(piece), piece.service, str(piece.part)} for piece in pieces}
    for wanted in only:
        if not any(wanted in known for known in names.values()):
            known_parts = ", ".join(str(piece.part) for piece in pieces)
            raise RefusedError(
                f"The composed rollback of {name} has no part “{wanted}”.",
                f"Its parts: {known_parts}. A service's name stands for all of its parts.",
            )
    if not only:
        return pieces
    return [piece for piece in pieces if names[_key(piece)] & set(only)]


def _key(piece: Piece) -> str:
    return f"{piece.service}/{piece.part.strategy}"


def main_of(pieces: Sequence[Piece]) -> Piece:
    """The one that decides which release users of the service itself reach."""
    return min(pieces, key=lambda piece: (not piece.own, not piece.moves))


def check_described(piece: Piece) -> None:
    """Raises ConfigurationError for a part that its service does not describe."""
    beside = {target.strategy for target in piece.peer.entry.rollback}
    if piece.part.strategy not in beside:
        whose = f"{piece.service}'s" if not piece.own else "the service's"
        raise ConfigurationError(
            f"The composed rollback names the part “{piece.part}”, which {whose} rollback "
            "does not describe.",
            f"Describe it beside “composed” in the catalog; there are: {sorted(beside)}.",
        )


# Several plans as one: their order, and what the whole says and demands.


class Placed(Protocol):
    """What has a place in the order."""

    @property
    def service(self) -> str:
        """Whose it is."""

    @property
    def cost(self) -> int:
        """Of its strategy; only compared."""

    @property
    def needs(self) -> frozenset[str]:
        """Every service that the service relies on, directly or not."""


P = TypeVar("P", bound=Placed)


def ordered(pieces: Sequence[P]) -> list[P]:
    """By cost, and among equals whoever needs the others first; else as given.

    A release is put out the other way round: first what is needed, then who needs it. So the
    older release of a caller is known to work with the newer release of what it calls, while the
    newer caller may need what the older callee does not have.
    """
    return sorted(pieces, key=lambda piece: (piece.cost, _above(piece, pieces)))


def _above(piece: Placed, pieces: Sequence[Placed]) -> int:
    """How many of the other services need this one and not the reverse (a circle is a tie)."""
    return len(
        {
            other.service
            for other in pieces
            if piece.service in other.needs and other.service not in piece.needs
        }
    )


def joined(service: str, plans: Sequence[Plan], notes: Sequence[Preflight]) -> Plan:
    """One plan for ``service``; what loses data or needs a second person does so in the whole.

    ``plans`` come in their order. The service's own part that moves users is the main one: its
    releases are those of the whole.
    """
    several = any(plan.service != service for plan in plans)
    main = _main(service, plans)
    return Plan(
        service=service,
        strategy="composed",
        from_release=_release(service, main, main.from_release),
        to_release=_release(service, main, main.to_release),
        steps=tuple(_named(step, plan, several) for plan in plans for step in plan.steps),
        preflights=(*notes, *(p for plan in plans for p in _preflights(plan, several))),
        not_reversible=_each(_texts_of(plan, plan.not_reversible, several) for plan in plans),
        not_restored=_each(_texts_of(plan, plan.not_restored, several) for plan in plans),
        data_loss=_told(((plan, plan.data_loss) for plan in plans), several),
        downtime=_told(((plan, plan.downtime) for plan in plans), several),
        candidates=main.candidates if main.service == service else (),
        version_after=_version_after(service, main),
        approvers=max(plan.approvers for plan in plans),
        typed_confirmation=" ".join(
            dict.fromkeys(plan.typed_confirmation for plan in plans if plan.typed_confirmation)
        ),
        parts=tuple(_part(plan) for plan in plans) if several else (),
        observed={_plan_key(plan, several): plan.observed for plan in plans},
        observed_at=min(plan.observed_at for plan in plans),
    )


def _main(service: str, plans: Sequence[Plan]) -> Plan:
    """The first that moves users, the service's own before another's; the first if none does."""

    def place(plan: Plan) -> tuple[bool, bool]:
        return plan.service != service, not _part(plan).moves_users

    return min(plans, key=place)


def _release(service: str, main: Plan, release: str) -> str:
    return release if main.service == service else f"{main.service} {release}"


def _version_after(service: str, main: Plan) -> str | None:
    """The service's own version tells nothing where it is not rolled back itself."""
    return main.version_after if main.service == service else ""


def _part(plan: Plan) -> PlanPart:
    return PlanPart(
        service=plan.service,
        strategy=plan.strategy,
        from_release=plan.from_release,
        to_release=plan.to_release,
        version_after=plan.version_after,
    )


def _named(step: Step, plan: Plan, several: bool) -> Step:
    if not several:
        return step
    return step.model_copy(
        update={"title": f"{plan.service}: {step.title}", "service": plan.service}
    )


def _preflights(plan: Plan, several: bool) -> Iterable[Preflight]:
    whose = f"{plan.service}, {plan.strategy}" if several else plan.strategy
    return (one.model_copy(update={"name": f"{whose}: {one.name}"}) for one in plan.preflights)


def _plan_key(plan: Plan, several: bool) -> str:
    return f"{plan.service}/{plan.strategy}" if several else plan.strategy


def _texts_of(plan: Plan, texts: Sequence[str], several: bool) -> tuple[str, ...]:
    return tuple(f"{plan.service}: {text}" for text in texts) if several else tuple(texts)


def _each(groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for group in groups for text in group))


def _told(pairs: Iterable[tuple[Plan, str]], several: bool) -> str:
    told = [
        f"{plan.service}: {text}" if several else text for plan, text in pairs if text != "None"
    ]
    return " ".join(dict.fromkeys(told)) or "None"


class Composed(Strategy):
    """See ``bot.engine.world.Strategy``; each part plans for itself, and their steps are joined.

    Observing, replicas and evidence are about the service's own parts; the pipeline asks the
    strategies of other services for theirs.
    """

    name = "composed"
    settings = ComposedTarget

    def __init__(
        self,
        strategy: Callable[[str], Strategy] = STRATEGIES.get,
        *,
        peers: Mapping[str, Peer] | None = None,
        only: Sequence[str] = (),
    ) -> None:
        self._strategy = strategy
        self._peers = peers or {}
        self._only = tuple(only)

    def others(self, service: ServiceEntry) -> tuple[str, ...]:
        """The other services that a plan is about."""
        return service.target(ComposedTarget).others

    def among(self, peers: Mapping[str, Peer], *, only: Sequence[str] = ()) -> Composed:
        """The same with what is known about every service, itself included, by name.

        ``only`` chooses parts: ``rolling``, ``payments/rolling``, or ``payments`` for all of them;
        empty for every part.
        """
        return Composed(self._strategy, peers=peers, only=only)

    async def frozen(self, service: ServiceEntry, world: World) -> tuple[MarkedObject, ...]:
        """What the service's own parts say, each once."""
        parts = [piece.strategy for piece in self._pieces("", service) if piece.own]
        found = [await part.frozen(service, world) for part in parts]
        return tuple(dict.fromkeys(one for some in found for one in some))

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """What the main part sees: the one that decides which release users reach."""
        return await self._main(service).observe(service, world)

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
        """The parts' plans, one behind the other.

        A part with nothing to do is left out, and the plan says so. Raises RefusedError when
        that holds for all or a part that was chosen does not exist, and what a part raises for
        any other reason.
        """
        own = Peer(entry=service, marked_bad=marked_bad, known_good=tuple(known_good))
        pieces = chosen(name, self._pieces(name, service, own), self._only)
        main = main_of(pieces)
        plans, left_out = [], []
        for piece in pieces:
            try:
                plan = await piece.strategy.plan(
                    piece.service,
                    piece.peer.entry,
                    world,
                    # A release's name means something to the main part only.
                    target=target if piece is main else None,
                    marked_bad=piece.peer.marked_bad,
                    known_good=piece.peer.known_good,
                )
            except RefusedError as refused:
                if piece is main and target is not None:
                    raise
                left_out.append((str(piece.part), refused))
                continue
            plans.append(plan)
        if not plans:
            raise RefusedError(
                "No part has anything to roll back: "
                + " ".join(f"{part}: {refused.what}" for part, refused in left_out),
                left_out[0][1].remedy,
            )
        return joined(name, plans, [_left_out(part, refused) for part, refused in left_out])

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """The replicas that the service's own main part knows."""
        return await self._main(service).instances(service, world)

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """What every part of the service itself would destroy."""
        parts = [piece.strategy for piece in self._pieces("", service) if piece.own]
        found = await asyncio.gather(
            *(part.evidence(service, world, release=release) for part in parts)
        )
        return tuple(
            item.model_copy(update={"name": f"{part.name}-{item.name}"})
            for part, items in zip(parts, found, strict=True)
            for item in items
        )

    def _main(self, service: ServiceEntry) -> Strategy:
        """The first own part that moves users to another release; the first if none does."""
        return main_of([one for one in self._pieces("", service) if one.own]).strategy

    def _pieces(self, name: str, service: ServiceEntry, own: Peer | None = None) -> list[Piece]:
        """In the order in which they run; those of other services only with ``own`` given."""
        target = service.target(ComposedTarget)
        known = self._peers.get(name)
        here = (own or Peer(entry=service)).with_needs(known.needs if known else frozenset())
        pieces = [
            Piece(
                part=part,
                service=part.service or name,
                own=part.service is None,
                strategy=self._strategy(part.strategy),
                peer=self._peer(part.service) if part.service else here,
            )
            for part in target.parts
            if own is not None or part.service is None
        ]
        in_order = pieces if target.order == "listed" else ordered(pieces)
        for piece in in_order:
            check_described(piece)
        return in_order

    def _peer(self, service: str) -> Peer:
        if service not in self._peers:
            raise ConfigurationError(
                f"The composed rollback has a part of {service}, which is not known here.",
                "Name a service of the catalog.",
            )
        return self._peers[service]


def _left_out(part: str, refused: RefusedError) -> Preflight:
    sentence = f"Left out: {refused.what}"
    return Preflight(name=part, verdict=PreflightVerdict.WARN, sentence=sentence)


STRATEGY = Composed()
