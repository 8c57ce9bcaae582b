"""Canary: the bad release, which serves a part of the users, serves nobody any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import Right
from bot.engine.world import Evidence, Instance, Observation, Strategy, World
from bot.incident.freeze import MarkedObject
from bot.incident.plan import Plan
from strategies.canary.argo import AbortRollout, ArgoCanary
from strategies.canary.command import CanaryCommand, Wish
from strategies.canary.flagger import FlaggerCommand, RollbackGate
from strategies.canary.pair_plan import PairCommand
from strategies.canary.target import AnyCanary, CanaryTarget
from strategies.canary.traffic import HTTP_ROUTES, INGRESSES, VIRTUAL_SERVICES
from strategies.kubernetes.drains import AwaitDrain
from strategies.kubernetes.fields import SetFields
from strategies.kubernetes.gitops import SuspendGitOps
from strategies.kubernetes.pods import AwaitNoPods, CheckReady
from strategies.kubernetes.scale import Scale

_COMMANDS: Mapping[str, CanaryCommand] = {
    "argo-rollouts": ArgoCanary(),
    "flagger": FlaggerCommand(),
    "gateway-api": PairCommand(HTTP_ROUTES),
    "istio": PairCommand(VIRTUAL_SERVICES),
    "nginx": PairCommand(INGRESSES),
    "replicas": PairCommand(),
}
"""One line a way to split the traffic."""


class Canary(Strategy):
    """See ``bot.engine.world.Strategy``; the one candidate is the stable release."""

    name = "canary"
    settings = CanaryTarget
    steps = (
        SuspendGitOps(),
        CheckReady(),
        SetFields(),
        AbortRollout(),
        RollbackGate(),
        AwaitDrain(),
        Scale(),
        AwaitNoPods(),
    )
    cost = 40

    def rights(self, service: ServiceEntry) -> dict[str, tuple[Right, ...]]:
        """As whatever splits the traffic takes."""
        command, target = _chosen(service)
        return {target.namespace: command.rights}

    async def frozen(self, service: ServiceEntry, world: World) -> tuple[MarkedObject, ...]:
        """Whatever a pipeline gives the new release to."""
        command, target = _chosen(service)
        return await command.frozen(target, world)

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


def _chosen(service: ServiceEntry) -> tuple[CanaryCommand, AnyCanary]:
    target = service.target(AnyCanary)
    return _COMMANDS[target.traffic], target


STRATEGY = Canary()
