"""The plan of a recreation: its preflights, and what must be said before approval."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.domain.plan import Candidate, Plan, Preflight
from bot.domain.revisions import is_complete, progress_of
from bot.domain.values import spoken
from bot.ports.cluster import AUTOSCALERS, DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS, Cluster, Right
from bot.ports.world import World
from strategies.kubernetes.gitops import GitOpsGuard
from strategies.kubernetes.rollout_steps import version_port
from strategies.kubernetes.scaler_steps import pausing
from strategies.kubernetes.scalers import SCALED_OBJECTS, check_scalers
from strategies.planning.recreate.change import RecreateChange
from strategies.planning.recreate.steps import RecreateSteps
from strategies.planning.recreate.times import downtime_seconds
from strategies.preflights.configuration import NAME as REFERENCES
from strategies.preflights.configuration import check_references
from strategies.preflights.dry_run import Write, check_writes, scaling
from strategies.preflights.rights import POD_PROXY, check_rights, to_change, to_follow
from strategies.preflights.scaling import AUTOSCALER, BUDGET, check_budget
from strategies.preflights.verdicts import blocked, or_unknown, passed, warned
from strategies.steps.set_paused import paused_operations

RIGHTS = (
    *to_change(DEPLOYMENTS),
    *to_follow(REPLICA_SETS, PODS),
    Right(verb="list", kind=AUTOSCALERS),
    Right(verb="list", kind=EVENTS),
)


@dataclass(frozen=True, kw_only=True)
class RecreatePlan:
    """A change with everything that is known about it."""

    name: str
    change: RecreateChange

    async def preflights(self, world: World) -> tuple[Preflight, ...]:
        """Everything that can be known before."""
        change, cluster = self.change, world.cluster
        namespace = change.target.namespace
        checks = await asyncio.gather(
            check_rights(cluster, namespace, self._rights()),
            or_unknown(REFERENCES, check_references(cluster, namespace, change.outcome.template)),
            or_unknown(BUDGET, check_budget(cluster, namespace, change.deployment)),
            self._scaling(cluster),
        )
        return (
            self._downtime_preflight(),
            self._rollout_preflight(),
            self._scaler_preflight(),
            *change.outcome.preflights,
            *checks,
        )

    def _rights(self) -> tuple[Right, ...]:
        change = self.change
        keda = to_change(SCALED_OBJECTS) if change.scalers.scaled_object else ()
        asks = version_port(change.service) is not None
        proxy = (Right(verb="get", kind=POD_PROXY),) if asks else ()
        return (*RIGHTS, *keda, *proxy)

    async def _scaling(self, cluster: Cluster) -> Preflight:
        """The template's own write has been tried already, to find out what comes of it."""
        change = self.change
        namespace, name = change.target.namespace, change.target.deployment
        writes = scaling(DEPLOYMENTS, namespace, name, 0, change.restored)
        if change.deployment["spec"].get("paused"):
            resumed = tuple(paused_operations(False))
            writes += (Write(kind=DEPLOYMENTS, namespace=namespace, name=name, operations=resumed),)
        writes += await pausing(cluster, namespace, change.scalers)
        return await check_writes(cluster, writes, name="Dry run of the scaling")

    def build(
        self,
        *,
        guard: GitOpsGuard,
        preflights: tuple[Preflight, ...],
        candidates: tuple[Candidate, ...],
        observed_at: datetime,
    ) -> Plan:
        """The whole plan."""
        change, scaler = self.change, self.change.scalers.owner
        return Plan(
            service=self.name,
            strategy="recreate",
            from_release=change.from_release,
            to_release=change.to_release,
            steps=(*guard.steps, *RecreateSteps(change=change).all()),
            preflights=(*preflights, guard.preflight),
            not_reversible=(
                "the running pods: what they hold in memory and in emptyDir volumes is lost",
            ),
            not_restored=(*self._not_restored(), *guard.not_restored),
            downtime=f"About {spoken(downtime_seconds(change))}: all pods end before the first "
            "new one starts; it is measured",
            candidates=candidates,
            observed={
                "deployment": f"{change.target.namespace}/{change.target.deployment}",
                "uid": change.deployment["metadata"]["uid"],
                "replicas": change.recorded,
                "scaler": scaler.model_dump(mode="json") if scaler else None,
                "source": change.source.option.candidate.detail,
            },
            observed_at=observed_at,
        )

    def _not_restored(self) -> tuple[str, ...]:
        shared = ("the content of ConfigMaps", "the content of Secrets")
        if self.change.source.manifest is None:
            return ("the rollout strategy", *shared)
        return (
            "labels, annotations and settings beside the template that the manifest does not name",
            "other objects in the manifest's file",
            *shared,
        )

    def _downtime_preflight(self) -> Preflight:
        seconds = spoken(downtime_seconds(self.change))
        if not self.change.served_before:
            return passed("Downtime", "No pod is ready now, so there is nobody to take down.")
        return warned("Downtime", f"Nobody is served for about {seconds} between the releases.")

    def _rollout_preflight(self) -> Preflight:
        deployment, name = self.change.deployment, self.change.target.deployment
        if deployment["spec"].get("paused"):
            return warned(
                "Rollout",
                f"Deployment {name} is paused. The plan resumes it after the template has "
                "changed; whoever paused it should know.",
            )
        if not is_complete(deployment):
            return warned(
                "Rollout",
                f"A rollout is in progress ({progress_of(deployment)}); going back ends it.",
            )
        return passed("Rollout", "No rollout is in progress.")

    def _scaler_preflight(self) -> Preflight:
        change = self.change
        if change.target.autoscaler == "refuse" and change.scalers.owner is not None:
            return blocked(
                AUTOSCALER,
                f"{change.scalers.owner} scales {change.target.deployment}, and rollback.yml says "
                "autoscaler: refuse.",
            )
        checked = check_scalers(change.scalers, change.target.deployment, restored=change.restored)
        if change.restored == 0 and checked.verdict != "block":
            return warned(
                AUTOSCALER,
                f"Deployment {change.target.deployment} stands at 0 replicas: the template goes "
                "back, but no pod will serve until it is scaled up.",
            )
        return checked
