"""Canary: the bad release, which serves a part of the users, serves nobody any more."""

from __future__ import annotations

from collections.abc import Sequence

from bot.config.catalog import ServiceEntry
from bot.config.targets.canary import (
    ArgoRolloutsCanary,
    FlaggerCanary,
    GatewayApiCanary,
    IstioCanary,
    NginxCanary,
    PairCanary,
    ReplicasCanary,
)
from bot.domain.plan import Plan
from bot.domain.workloads import is_terminating, release_of
from bot.errors import ConfigurationError, RefusedError
from bot.ports.world import Evidence, Instance, Observation, World
from strategies.kubernetes import evidence
from strategies.kubernetes.history import current, live_since, revisions
from strategies.planning.canary.argo import ArgoCanary
from strategies.planning.canary.flagger import FlaggerCommand
from strategies.planning.canary.pair import read_pair
from strategies.planning.canary.plan import CanaryPlan
from strategies.targets import choose, rated

_TARGETS = (
    ArgoRolloutsCanary,
    FlaggerCanary,
    GatewayApiCanary,
    IstioCanary,
    NginxCanary,
    ReplicasCanary,
)
_ARGO = ArgoCanary()
_FLAGGER = FlaggerCommand()


class Canary:
    """See ``bot.ports.world.Strategy``; the one candidate is the stable release."""

    name = "canary"

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """The canary's release while it gets requests, else the stable one."""
        chosen = _target(service)
        if isinstance(chosen, ArgoRolloutsCanary):
            return await _ARGO.observe(chosen, service, world)
        if isinstance(chosen, FlaggerCanary):
            return await _FLAGGER.observe(chosen, service, world)
        pair = await read_pair(chosen, service, world)
        live = pair.canary if pair.serves else pair.stable
        history = await revisions(world, pair.target.namespace, live.deployment)
        return Observation(
            live_release=live.release,
            candidates=(pair.option.candidate,) if pair.serves else (),
            released_at=live_since(live.deployment, current(live.deployment, history)),
            summary=f"{pair.canary.name} ({pair.canary.release}) gets {pair.share:.0%} of the "
            f"traffic with {pair.canary.ready} ready pods, {pair.stable.name} "
            f"({pair.stable.release}) the rest with {pair.stable.ready}.",
        )

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
        """Prove the stable side, take the traffic away, wait for the drain, scale to 0."""
        chosen = _target(service)
        if isinstance(chosen, ArgoRolloutsCanary):
            return await _ARGO.plan(
                name,
                chosen,
                service,
                world,
                wanted=target,
                marked_bad=marked_bad,
                known_good=known_good,
            )
        if isinstance(chosen, FlaggerCanary):
            return await _FLAGGER.plan(
                name,
                chosen,
                service,
                world,
                wanted=target,
                marked_bad=marked_bad,
                known_good=known_good,
            )
        pair = await read_pair(chosen, service, world)
        if target in {"canary", pair.canary.name}:
            raise RefusedError(
                f"Nothing to do: {target} is what the rollback leads away from.",
                f"Name {pair.stable.release} or nothing.",
            )
        if not pair.serves and pair.canary.replicas == 0:
            raise RefusedError(
                f"Nothing to do: the canary {pair.canary.name} gets no traffic and has no pods.",
                "If the stable release is bad, roll back its Deployment instead.",
            )
        choice = choose(
            [pair.option],
            live=pair.canary.release,
            target=target,
            marked_bad=marked_bad,
            known_good=known_good,
        )
        plan = CanaryPlan(name=name, service=service, pair=pair)
        guard = await plan.guard(world)
        preflights = await plan.preflights(world)
        candidates = rated((pair.option.candidate,), marked_bad=marked_bad, known_good=known_good)
        return plan.build(
            guard=guard,
            preflights=(choice.preflight, *preflights),
            candidates=candidates,
            observed_at=world.clock.now(),
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """The stable side's pods, and the canary's while it gets requests."""
        chosen = _target(service)
        if isinstance(chosen, ArgoRolloutsCanary):
            return await _ARGO.instances(chosen, service, world)
        if isinstance(chosen, FlaggerCanary):
            return await _FLAGGER.instances(chosen, service, world)
        pair = await read_pair(chosen, service, world)
        sides = (pair.stable, pair.canary) if pair.serves else (pair.stable,)
        pods = [pod for side in sides for pod in side.pods if not is_terminating(pod)]
        return evidence.instances(pods, service.version_label)

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """Of the pods with this release on either side, their Deployments and the route."""
        chosen = _target(service)
        if isinstance(chosen, ArgoRolloutsCanary):
            return await _ARGO.evidence(chosen, service, world, release=release)
        if isinstance(chosen, FlaggerCanary):
            return await _FLAGGER.evidence(chosen, service, world, release=release)
        pair = await read_pair(chosen, service, world)
        sides = (pair.stable, pair.canary)
        label = service.version_label
        return await evidence.collect(
            world,
            pair.target.namespace,
            pods=[pod for side in sides for pod in side.pods if release_of(pod, label) == release],
            objects=[
                *(side.deployment for side in sides if side.release == release),
                *((pair.traffic.manifest,) if pair.traffic else ()),
            ],
        )


def _target(service: ServiceEntry) -> PairCanary | ArgoRolloutsCanary | FlaggerCanary:
    for one in service.rollback:
        if isinstance(one, _TARGETS):
            return one
    raise ConfigurationError("The catalog names no canary target for this service.")
