"""Composed: one plan over several strategies, the cheapest and most reversible first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from bot.config.catalog import ServiceEntry
from bot.config.targets.composed import ComposedTarget
from bot.domain.plan import Plan, Preflight, PreflightVerdict
from bot.errors import ConfigurationError, RefusedError
from bot.ports.world import Evidence, Instance, Observation, Strategy, World

ORDER = (
    "feature-flag",
    "blue-green",
    "blue-green-elbv2",
    "canary",
    "rolling",
    "recreate",
    "database",
)
"""A flag takes seconds and is free to take back; a database may lose data. A strategy that is not
named here comes before the database."""


class Composed:
    """See ``bot.ports.world.Strategy``; each part plans for itself, and their steps are joined."""

    name = "composed"

    def __init__(self, strategy: Callable[[str], Strategy]) -> None:
        self._strategy = strategy

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
        that holds for all, and what a part raises for any other reason.
        """
        main = self._main(service)
        plans, left_out = [], []
        for part in self._parts(service):
            try:
                plan = await part.plan(
                    name,
                    service,
                    world,
                    # A release's name means something to the main part only.
                    target=target if part is main else None,
                    marked_bad=marked_bad,
                    known_good=known_good,
                )
            except RefusedError as refused:
                if part is main and target is not None:
                    raise
                left_out.append((part.name, refused))
                continue
            plans.append(plan)
        if not plans:
            raise RefusedError(
                "No part has anything to roll back: "
                + " ".join(f"{part}: {refused.what}" for part, refused in left_out),
                left_out[0][1].remedy,
            )
        return _joined(plans, [_left_out(part, refused) for part, refused in left_out])

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """The replicas that the main part knows."""
        return await self._main(service).instances(service, world)

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """What every part would destroy."""
        found = await asyncio.gather(
            *(part.evidence(service, world, release=release) for part in self._parts(service))
        )
        return tuple(
            item.model_copy(update={"name": f"{part.name}-{item.name}"})
            for part, items in zip(self._parts(service), found, strict=True)
            for item in items
        )

    def _parts(self, service: ServiceEntry) -> list[Strategy]:
        names = sorted(_target(service).parts, key=_rank)
        beside = {target.strategy for target in service.rollback}
        for name in names:
            if name not in beside:
                raise ConfigurationError(
                    f"The composed rollback names the part “{name}”, which the service's rollback "
                    "does not describe.",
                    f"Describe it beside “composed” in the catalog; there are: {sorted(beside)}.",
                )
        return [self._strategy(name) for name in names]

    def _main(self, service: ServiceEntry) -> Strategy:
        """The first part that moves users to another release; the first part if none does."""
        parts = self._parts(service)
        movers = [part for part in parts if part.name not in {"feature-flag", "database"}]
        return (movers or parts)[0]


def _target(service: ServiceEntry) -> ComposedTarget:
    for target in service.rollback:
        if isinstance(target, ComposedTarget):
            return target
    raise ConfigurationError(
        "The service has no composed rollback.", "Add one to services.<name>.rollback."
    )


def _rank(name: str) -> float:
    return ORDER.index(name) if name in ORDER else ORDER.index("database") - 0.5


def _left_out(part: str, refused: RefusedError) -> Preflight:
    sentence = f"Left out: {refused.what}"
    return Preflight(name=part, verdict=PreflightVerdict.WARN, sentence=sentence)


def _joined(plans: Sequence[Plan], notes: Sequence[Preflight]) -> Plan:
    """One plan; what loses data or needs a second person in a part does so in the whole."""
    movers = [plan for plan in plans if plan.strategy not in {"feature-flag", "database"}]
    main = (movers or list(plans))[0]
    return Plan(
        service=main.service,
        strategy="composed",
        from_release=main.from_release,
        to_release=main.to_release,
        steps=tuple(step for plan in plans for step in plan.steps),
        preflights=(
            *notes,
            *(
                preflight.model_copy(update={"name": f"{plan.strategy}: {preflight.name}"})
                for plan in plans
                for preflight in plan.preflights
            ),
        ),
        not_reversible=_each(plan.not_reversible for plan in plans),
        not_restored=_each(plan.not_restored for plan in plans),
        data_loss=_said(plan.data_loss for plan in plans),
        downtime=_said(plan.downtime for plan in plans),
        candidates=main.candidates,
        version_after=main.version_after,
        approvers=max(plan.approvers for plan in plans),
        typed_confirmation=next((p.typed_confirmation for p in plans if p.typed_confirmation), ""),
        observed={plan.strategy: plan.observed for plan in plans},
        observed_at=main.observed_at,
    )


def _each(groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for group in groups for text in group))


def _said(texts: Iterable[str]) -> str:
    told = [text for text in texts if text != "None"]
    return " ".join(dict.fromkeys(told)) or "None"
