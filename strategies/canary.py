"""Canary: the bad release, which serves a part of the users, serves nobody any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.config.catalog import ServiceEntry
from bot.config.targets.canary import CanaryTarget
from bot.domain.plan import Plan
from bot.errors import ConfigurationError
from bot.ports.world import Evidence, Instance, Observation, World
from strategies.planning.canary.argo import ArgoCanary
from strategies.planning.canary.command import CanaryCommand, Wish
from strategies.planning.canary.flagger import FlaggerCommand
from strategies.planning.canary.pair_command import PairCommand

_COMMANDS: Mapping[str, CanaryCommand] = {
    "argo-rollouts": ArgoCanary(),
    "flagger": FlaggerCommand(),
    "gateway-api": PairCommand(),
    "istio": PairCommand(),
    "nginx": PairCommand(),
    "replicas": PairCommand(),
}
"""One line a way to split the traffic."""


class Canary:
    """See ``bot.ports.world.Strategy``; the one candidate is the stable release."""

    name = "canary"

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """The canary's release while it gets requests, else the stable one."""
        command, target = _chosen(service)
        return await command.observe(target, service, world)

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
        """Prove the stable side, take the traffic away, wait for the drain, take the pods."""
        command, chosen = _chosen(service)
        wish = Wish(target=target, marked_bad=marked_bad, known_good=known_good)
        return await command.plan(name, chosen, service, world, wish)

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """The stable side's pods, and the canary's while it gets requests."""
        command, target = _chosen(service)
        return await command.instances(target, service, world)

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """Of the pods with this release on either side, and what splits the traffic."""
        command, target = _chosen(service)
        return await command.evidence(target, service, world, release=release)


def _chosen(service: ServiceEntry) -> tuple[CanaryCommand, CanaryTarget]:
    for one in service.rollback:
        if one.strategy == "canary":
            return _COMMANDS[one.traffic], one
    raise ConfigurationError("The catalog names no canary target for this service.")
