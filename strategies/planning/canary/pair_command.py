"""Two Deployments: the bot takes the canary's traffic, and then its pods."""

from __future__ import annotations

from bot.config.catalog import ServiceEntry
from bot.config.targets.canary import PairCanary
from bot.domain.freeze import MarkedObject
from bot.domain.plan import Plan
from bot.domain.releases import release_of
from bot.domain.values import amount
from bot.domain.workloads import is_terminating
from bot.errors import RefusedError
from bot.ports.cluster import Kind
from bot.ports.world import Evidence, Instance, Observation, World
from strategies.freezing import deployments
from strategies.kubernetes import evidence
from strategies.kubernetes.history import current, live_since, revisions
from strategies.planning.canary.command import Wish
from strategies.planning.canary.pair import read_pair
from strategies.planning.canary.plan import RIGHTS, CanaryPlan
from strategies.preflights.rights import to_change


class PairCommand:
    """See ``strategies.planning.canary.command.CanaryCommand``."""

    def __init__(self, split: Kind | None = None) -> None:
        """``split`` is the kind of object that splits the traffic; None where replicas do."""
        self.rights = (*RIGHTS, *(to_change(split) if split else ()))

    async def frozen(self, target: PairCanary, world: World) -> tuple[MarkedObject, ...]:
        """Either Deployment."""
        return deployments(target.namespace, target.stable, target.canary)

    async def observe(self, target: PairCanary, service: ServiceEntry, world: World) -> Observation:
        """The canary's release while it gets requests, else the stable one."""
        pair = await read_pair(target, service, world)
        live = pair.canary if pair.serves else pair.stable
        history = await revisions(world, pair.target.namespace, live.deployment)
        return Observation(
            live_release=live.release,
            candidates=(pair.option.candidate,) if pair.serves else (),
            released_at=live_since(live.deployment, current(live.deployment, history)),
            summary=f"{pair.canary.name} ({pair.canary.release}) gets {pair.share:.0%} of the "
            f"traffic with {amount(pair.canary.ready, 'ready pod')}, {pair.stable.name} "
            f"({pair.stable.release}) the rest with {pair.stable.ready}.",
        )

    async def plan(
        self, name: str, target: PairCanary, service: ServiceEntry, world: World, wish: Wish
    ) -> Plan:
        """Prove the stable side, take the traffic away, wait for the drain, scale to 0."""
        pair = await read_pair(target, service, world)
        if wish.target in {"canary", pair.canary.name}:
            raise RefusedError(
                f"Nothing to do: {wish.target} is what the rollback leads away from.",
                f"Name {pair.stable.release} or nothing.",
            )
        if not pair.serves and pair.canary.replicas == 0:
            raise RefusedError(
                f"Nothing to do: the canary {pair.canary.name} gets no traffic and has no pods.",
                "If the stable release is bad, roll back its Deployment instead.",
            )
        preflight, candidates = wish.weigh(pair.option, live=pair.canary.release)
        plan = CanaryPlan(name=name, service=service, pair=pair)
        guard = await plan.guard(world)
        preflights = await plan.preflights(world)
        return plan.build(
            guard=guard,
            preflights=(preflight, *preflights),
            candidates=candidates,
            observed_at=world.clock.now(),
        )

    async def instances(
        self, target: PairCanary, service: ServiceEntry, world: World
    ) -> tuple[Instance, ...]:
        """The stable side's pods, and the canary's while it gets requests."""
        pair = await read_pair(target, service, world)
        sides = (pair.stable, pair.canary) if pair.serves else (pair.stable,)
        pods = [pod for side in sides for pod in side.pods if not is_terminating(pod)]
        return evidence.instances(pods, service.version_label)

    async def evidence(
        self, target: PairCanary, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """Of the pods with this release on either side, their Deployments and the route."""
        pair = await read_pair(target, service, world)
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
