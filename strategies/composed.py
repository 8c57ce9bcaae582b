"""Composed: one plan over several strategies, the cheapest and most reversible first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from bot.config.catalog import ServiceEntry
from bot.config.targets.base import STRATEGIES
from bot.config.targets.composed import ComposedTarget
from bot.domain.composition import joined, ordered
from bot.domain.freeze import MarkedObject
from bot.domain.plan import Plan, Preflight, PreflightVerdict
from bot.errors import ConfigurationError, RefusedError
from bot.ports.world import Evidence, Instance, Observation, Peer, Strategy, World
from strategies.planning.composed.pieces import (
    Piece,
    check_described,
    chosen,
    main_of,
)


class Composed(Strategy):
    """See ``bot.ports.world.Strategy``; each part plans for itself, and their steps are joined.

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
