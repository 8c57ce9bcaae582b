"""Canary: the bad release, which serves a part of the users, serves nobody any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.config.catalog import ServiceEntry
from bot.config.targets.canary import AnyCanary, CanaryTarget
from bot.domain.freeze import MarkedObject
from bot.domain.plan import Plan
from bot.ports.cluster import Right
from bot.ports.world import Evidence, Instance, Observation, Strategy, World
from strategies.planning.canary.argo import ArgoCanary
from strategies.planning.canary.command import CanaryCommand, Wish
from strategies.planning.canary.flagger import FlaggerCommand
from strategies.planning.canary.pair_command import PairCommand
from strategies.planning.canary.traffic import HTTP_ROUTES, INGRESSES, VIRTUAL_SERVICES
from strategies.steps.abort_rollout import AbortRollout
from strategies.steps.await_drain import AwaitDrain
from strategies.steps.await_no_pods import AwaitNoPods
from strategies.steps.check_ready import CheckReady
from strategies.steps.rollback_gate import RollbackGate
from strategies.steps.scale import Scale
from strategies.steps.set_fields import SetFields
from strategies.steps.suspend_gitops import SuspendGitOps

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
    """See ``bot.ports.world.Strategy``; the one candidate is the stable release."""

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
