"""The plan of a canary rollback: its preflights, and what must be said before approval."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.config.catalog import ServiceEntry
from bot.domain.plan import Candidate, Plan, Preflight
from bot.ports.cluster import AUTOSCALERS, DEPLOYMENTS, PODS, REPLICA_SETS
from bot.ports.world import World
from strategies.kubernetes.gitops import GitOpsGuard, guard_against_gitops
from strategies.kubernetes.scalers import SCALED_OBJECTS, check_scalers
from strategies.planning.canary.pair import Pair, check_capacity, check_owner, check_selector
from strategies.planning.canary.steps import CanarySteps
from strategies.preflights.dry_run import NAME as DRY_RUN
from strategies.preflights.dry_run import check_patch
from strategies.preflights.rights import POD_PROXY, Right, check_rights
from strategies.preflights.verdicts import passed, warned
from strategies.steps.set_fields import guarded

_RIGHTS = (
    Right(verb="get", kind=DEPLOYMENTS),
    Right(verb="patch", kind=DEPLOYMENTS),
    Right(verb="watch", kind=DEPLOYMENTS),
    Right(verb="watch", kind=REPLICA_SETS),
    Right(verb="watch", kind=PODS),
    Right(verb="list", kind=AUTOSCALERS),
)
_CHANGES = ("get", "patch", "watch")


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
        split = (Right(verb=verb, kind=traffic.kind) for verb in _CHANGES) if traffic else ()
        scaler = self.pair.canary.scalers.scaled_object
        keda = (Right(verb=verb, kind=SCALED_OBJECTS) for verb in _CHANGES) if scaler else ()
        proxy = (Right(verb="get", kind=POD_PROXY),) if self.service.pod_metrics else ()
        return (*_RIGHTS, *split, *keda, *proxy)

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
        traffic, target = self.pair.traffic, self.pair.target
        if traffic is not None and traffic.fields:
            operations = guarded(traffic.manifest, traffic.fields)
            return await check_patch(
                world.cluster, traffic.kind, target.namespace, traffic.name, operations
            )
        replicas = [{"op": "replace", "path": "/spec/replicas", "value": 0}]
        if self.pair.canary.replicas == 0:
            return passed(DRY_RUN, "Nothing is changed but the scaler.")
        return await check_patch(
            world.cluster, DEPLOYMENTS, target.namespace, self.pair.canary.name, replicas
        )
