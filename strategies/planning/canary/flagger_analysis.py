"""A Canary of Flagger as it is now."""

from __future__ import annotations

from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from bot.config.targets.canary import FlaggerCanary
from bot.errors import ConfigurationError
from bot.ports.cluster import Manifest
from bot.ports.world import World
from strategies.planning.canary.pair import Pair, read_side
from strategies.planning.canary.traffic import Traffic
from strategies.preflights.gitops import go_seconds
from strategies.steps.rollback_gate import CANARIES, IN_PROGRESS, phase_of

ROLLBACK_CHECK = "/rollback/check"
"""Path that Flagger asks on the gate."""


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """A Canary of Flagger with the two Deployments that it is about."""

    target: FlaggerCanary
    canary: Manifest
    pair: Pair

    @property
    def phase(self) -> str:
        """As Flagger tells it; empty while it is new."""
        return phase_of(self.canary)

    @property
    def in_progress(self) -> bool:
        """Whether there is anything to roll back."""
        return self.phase in IN_PROGRESS

    @property
    def settings(self) -> Manifest:
        """The analysis, under its present or its former name."""
        spec = self.canary["spec"]
        return dict(spec.get("analysis") or spec.get("canaryAnalysis") or {})

    @property
    def interval(self) -> float:
        """Seconds between two looks of Flagger; it takes a minute unless told otherwise."""
        return go_seconds(str(self.settings.get("interval") or "")) or 60.0

    @property
    def gate(self) -> str:
        """Base address of the gate; empty when the Canary has none that can be opened."""
        hooks = [
            str(one.get("url") or "")
            for one in self.settings.get("webhooks") or []
            if one.get("type") == "rollback"
        ]
        if self.target.gate is not None:
            return str(self.target.gate).rstrip("/") if hooks else ""
        return next(
            (url.removesuffix(ROLLBACK_CHECK) for url in hooks if url.endswith(ROLLBACK_CHECK)), ""
        )


async def read_analysis(target: FlaggerCanary, service: ServiceEntry, world: World) -> Analysis:
    """Read all of it. Raises ConfigurationError for a Canary of anything but a Deployment."""
    canary = await world.cluster.get(CANARIES, target.namespace, target.canary)
    reference = canary["spec"]["targetRef"]
    if reference.get("kind") != "Deployment":
        raise ConfigurationError(
            f"Canary {target.canary} is about a {reference.get('kind')}; only Deployments are "
            "supported.",
        )
    name = str(reference["name"])
    weight = float((canary.get("status") or {}).get("canaryWeight", 0))
    traffic = Traffic(
        kind=CANARIES,
        name=target.canary,
        what=f"Canary {target.canary}",
        manifest=canary,
        share=weight / 100,
        fields=(),
    )
    pair = Pair(
        target=target,
        stable=await read_side(f"{name}-primary", target.namespace, service, world),
        canary=await read_side(name, target.namespace, service, world),
        traffic=traffic,
    )
    return Analysis(target=target, canary=canary, pair=pair)
