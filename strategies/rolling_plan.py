"""The plan of a rolling rollback: its preflights, and what must be said before approval."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.domain.plan import Candidate, Plan, Preflight
from bot.domain.workloads import is_complete, progress_of
from bot.ports.cluster import DEPLOYMENTS, PODS, REPLICA_SETS
from bot.ports.world import World
from strategies.preflights.configuration import NAME as REFERENCES
from strategies.preflights.configuration import check_references
from strategies.preflights.dry_run import check_patch
from strategies.preflights.gitops import check_gitops
from strategies.preflights.rights import POD_PROXY, Right, check_rights
from strategies.preflights.scaling import AUTOSCALER, BUDGET, check_autoscaler, check_budget
from strategies.preflights.verdicts import or_unknown, passed, warned
from strategies.rolling_steps import RollingChange
from strategies.rollout_estimates import recreates, rollout_seconds

_RIGHTS = (
    Right(verb="get", kind=DEPLOYMENTS),
    Right(verb="patch", kind=DEPLOYMENTS),
    Right(verb="watch", kind=DEPLOYMENTS),
    Right(verb="watch", kind=REPLICA_SETS),
    Right(verb="watch", kind=PODS),
    Right(verb="get", kind=POD_PROXY),
)


@dataclass(frozen=True, kw_only=True)
class RollingPlan:
    """A change with everything that is known about it."""

    name: str
    change: RollingChange

    async def preflights(self, world: World) -> tuple[Preflight, ...]:
        """Everything that can be known before."""
        change, cluster = self.change, world.cluster
        namespace, name = change.target.namespace, change.target.deployment
        checks = await asyncio.gather(
            check_rights(cluster, namespace, _RIGHTS),
            or_unknown(REFERENCES, check_references(cluster, namespace, self.change.template)),
            or_unknown(AUTOSCALER, check_autoscaler(cluster, namespace, self.change.deployment)),
            or_unknown(BUDGET, check_budget(cluster, namespace, self.change.deployment)),
            check_gitops(cluster, change.deployment, f"Deployment {name}"),
            check_patch(cluster, DEPLOYMENTS, namespace, name, change.operations()),
        )
        return (self._rollout_preflight(), self._replicas_preflight(), *checks)

    def build(
        self,
        *,
        preflights: tuple[Preflight, ...],
        candidates: tuple[Candidate, ...],
        observed_at: datetime,
    ) -> Plan:
        """The whole plan."""
        return Plan(
            service=self.name,
            strategy="rolling",
            from_release=self.change.from_release,
            to_release=self.change.to_release,
            steps=self.change.steps(),
            preflights=preflights,
            not_restored=(
                "the number of replicas and the autoscaler's limits",
                "the rollout strategy",
                "the content of ConfigMaps",
                "the content of Secrets",
            ),
            downtime=self._downtime(),
            candidates=candidates,
            observed={
                "deployment": f"{self.change.target.namespace}/{self.change.target.deployment}",
                "uid": self.change.deployment["metadata"]["uid"],
                "paused": self.change.paused,
                "target_revision": self.change.revision,
            },
            observed_at=observed_at,
        )

    def _rollout_preflight(self) -> Preflight:
        name = self.change.target.deployment
        if self.change.paused:
            return warned(
                "Rollout",
                f"Deployment {name} is paused. The plan resumes it after the "
                "template has been reverted; whoever paused it should know.",
            )
        if not is_complete(self.change.deployment):
            return warned(
                "Rollout",
                f"A rollout is in progress ({progress_of(self.change.deployment)}); going back "
                "supersedes it.",
            )
        return passed("Rollout", "No rollout is in progress.")

    def _replicas_preflight(self) -> Preflight:
        name = self.change.target.deployment
        replicas = self.change.deployment["spec"].get("replicas", 1)
        if replicas == 0:
            return warned(
                "Replicas",
                f"Deployment {name} stands at 0 replicas: the template goes "
                "back, but no pod will serve until it is scaled up.",
            )
        return passed("Replicas", f"{replicas} pods are replaced one group after the other.")

    def _downtime(self) -> str:
        if not recreates(self.change.deployment):
            return "None"
        seconds = rollout_seconds(self.change.deployment, self.change.template)
        return (
            f"About {seconds:.0f} s: the Deployment's strategy is Recreate, so all pods stop "
            "before the first new one starts"
        )
