"""The plan of a canary rollback: its preflights, and what must be said before approval."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.config.catalog import ServiceEntry
from bot.domain.plan import Candidate, Plan, Preflight
from bot.ports.cluster import AUTOSCALERS, DEPLOYMENTS, PODS, REPLICA_SETS, Right
from bot.ports.world import World
from strategies.kubernetes.fields import guarded
from strategies.kubernetes.gitops import GitOpsGuard, guard_against_gitops
from strategies.kubernetes.scaler_steps import pausing
from strategies.kubernetes.scalers import SCALED_OBJECTS, check_scalers
from strategies.planning.canary.pair import Pair, check_capacity, check_owner, check_selector
from strategies.planning.canary.steps import CanarySteps
from strategies.preflights.dry_run import Write, check_writes, scaling
from strategies.preflights.rights import check_rights, to_change, to_count, to_follow
from strategies.preflights.verdicts import warned

RIGHTS = (
    *to_change(DEPLOYMENTS),
    *to_follow(REPLICA_SETS, PODS),
    Right(verb="list", kind=AUTOSCALERS),
)


@dataclass(frozen=True, kw_only=True)
class CanaryPlan:
    """Both sides with everything that is known about them."""

    name: str
    service: ServiceEntry
    pair: Pair

    async def guard(self, world: World) -> GitOpsGuard:
        """Against automation that would give the canary its traffic again."""
        traffic, canary = self.pair.traffic, self.pair.canary
        if traffic is not None:
            return await guard_against_gitops(world.cluster, traffic.manifest, traffic.what)
        what = f"Deployment {canary.name}"
        return await guard_against_gitops(world.cluster, canary.deployment, what)

    async def preflights(self, world: World) -> tuple[Preflight, ...]:
        """Everything that can be known before."""
        rights, dry_run = await asyncio.gather(
            check_rights(world.cluster, self.pair.target.namespace, self._rights()),
            self._dry_run(world),
        )
        canary = self.pair.canary
        return (
            check_capacity(self.pair),
            check_selector(self.pair),
            check_owner(self.pair),
            *self._always(),
            check_scalers(canary.scalers, canary.name, restored=None),
            dry_run,
            rights,
        )

    def build(
        self,
        *,
        guard: GitOpsGuard,
        preflights: tuple[Preflight, ...],
        candidates: tuple[Candidate, ...],
        observed_at: datetime,
    ) -> Plan:
        """The whole plan."""
        pair = self.pair
        return Plan(
            service=self.name,
            strategy="canary",
            from_release=pair.canary.release,
            to_release=pair.stable.release,
            steps=(*guard.steps, *CanarySteps(service=self.service, pair=pair).all()),
            preflights=(*preflights, guard.preflight),
            not_restored=(
                f"Deployment {pair.canary.name}: it keeps {pair.canary.release} at 0 replicas",
                "the content of ConfigMaps and Secrets",
                *guard.not_restored,
            ),
            candidates=candidates,
            observed={
                "namespace": pair.target.namespace,
                "traffic": pair.target.traffic,
                "stable": pair.stable.name,
                "canary": pair.canary.name,
                "canary_replicas": pair.canary.replicas,
                "needed": pair.needed,
            },
            observed_at=observed_at,
        )

    def _rights(self) -> tuple[Right, ...]:
        traffic = self.pair.traffic
        split = to_change(traffic.kind) if traffic else ()
        keda = to_change(SCALED_OBJECTS) if self.pair.canary.scalers.scaled_object else ()
        return (*RIGHTS, *split, *keda, *to_count(self.service))

    def _always(self) -> tuple[Preflight, ...]:
        traffic = self.pair.traffic
        if traffic is None or not traffic.always:
            return ()
        return (
            warned(
                "Routing",
                f"{traffic.what} has {traffic.always}, which a weight of 0 does not stop: the "
                "plan takes them out too, so testers lose their way to the canary.",
            ),
        )

    async def _dry_run(self, world: World) -> Preflight:
        pair, traffic = self.pair, self.pair.traffic
        namespace = pair.target.namespace
        writes = scaling(DEPLOYMENTS, namespace, pair.canary.name, 0)
        if traffic is not None and traffic.fields:
            patch = tuple(guarded(traffic.manifest, traffic.fields))
            writes += (
                Write(kind=traffic.kind, namespace=namespace, name=traffic.name, operations=patch),
            )
        writes += await pausing(world.cluster, namespace, pair.canary.scalers)
        return await check_writes(world.cluster, writes)
