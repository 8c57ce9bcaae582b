"""The plan of a rolling rollback: its preflights, and what must be said before approval."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.domain.plan import Candidate, Plan, Preflight
from bot.domain.releases import release_of
from bot.domain.rollouts import (
    WorkloadKind,
    is_ordered,
    is_partitioned_off,
    is_rolled_out,
    partition_of,
    progress_in,
    update_strategy,
    wanted_pods,
)
from bot.domain.values import amount
from bot.domain.workloads import name_of
from bot.ports.cluster import PODS, Right
from bot.ports.world import World
from strategies.kubernetes.history import revision_kind
from strategies.planning.rolling.change import RollingChange
from strategies.planning.rolling.estimates import recreates, rollout_seconds
from strategies.planning.rolling.steps import RollingSteps
from strategies.preflights.configuration import NAME as REFERENCES
from strategies.preflights.configuration import check_references
from strategies.preflights.dry_run import check_writes
from strategies.preflights.rights import POD_PROXY, check_rights, to_change, to_follow
from strategies.preflights.scaling import AUTOSCALER, BUDGET, check_autoscaler, check_budget
from strategies.preflights.verdicts import blocked, or_unknown, passed, warned
from strategies.steps.rollout import WORKLOADS


def rights_on(kind: WorkloadKind) -> tuple[Right, ...]:
    """What every plan for a workload of this kind takes."""
    return (*to_change(WORKLOADS[kind]), *to_follow(revision_kind(kind), PODS))


@dataclass(frozen=True, kw_only=True)
class RollingPlan:
    """A change with everything that is known about it."""

    name: str
    change: RollingChange

    async def preflights(self, world: World) -> tuple[Preflight, ...]:
        """Everything that can be known before."""
        change, cluster = self.change, world.cluster
        namespace, workload = change.target.namespace, change.workload
        checks = await asyncio.gather(
            check_rights(cluster, namespace, self._rights()),
            or_unknown(REFERENCES, check_references(cluster, namespace, change.template)),
            or_unknown(AUTOSCALER, check_autoscaler(cluster, namespace, workload)),
            or_unknown(BUDGET, check_budget(cluster, namespace, workload)),
            check_writes(cluster, change.writes()),
        )
        own = (self._rollout_preflight(), self._replicas_preflight(), *self._update_preflights())
        return (*own, *checks, change.guard.preflight)

    def build(
        self,
        *,
        preflights: tuple[Preflight, ...],
        candidates: tuple[Candidate, ...],
        observed_at: datetime,
    ) -> Plan:
        """The whole plan."""
        change = self.change
        return Plan(
            service=self.name,
            strategy="rolling",
            from_release=change.from_release,
            to_release=change.to_release,
            steps=RollingSteps(change=change).all(),
            preflights=preflights,
            not_restored=(*self._not_restored(), *change.guard.not_restored),
            downtime=self._downtime(),
            candidates=candidates,
            observed={
                change.target.kind.lower(): f"{change.target.namespace}/{change.target.workload}",
                "uid": change.workload["metadata"]["uid"],
                "paused": change.paused,
                "target_revision": change.destination.revision,
                "target_image": change.destination.image,
            },
            observed_at=observed_at,
        )

    def _rights(self) -> tuple[Right, ...]:
        ordered = is_ordered(self.change.workload)
        return (
            *rights_on(self.change.target.kind),
            *((Right(verb="delete", kind=PODS),) if ordered else ()),
            *((Right(verb="get", kind=POD_PROXY),) if self.change.asks_pods else ()),
        )

    def _not_restored(self) -> tuple[str, ...]:
        usual = (
            "the number of replicas and the autoscaler's limits",
            "the rollout strategy",
            "the content of ConfigMaps",
            "the content of Secrets",
        )
        image = self.change.destination.image
        rest = (
            f"everything in the pod template but the image {image}: its settings stay as they are"
        )
        volumes = "volume claims and the data on them"
        return (
            *((rest,) if image else ()),
            *usual,
            *((volumes,) if self.change.target.kind == "StatefulSet" else ()),
        )

    def _rollout_preflight(self) -> Preflight:
        workload = self.change.workload
        if self.change.paused:
            return warned(
                "Rollout",
                f"{self.change.live} is paused. The plan resumes it after the template has been "
                "reverted; whoever paused it should know.",
            )
        if not is_rolled_out(workload):
            return warned(
                "Rollout",
                f"A rollout is in progress ({progress_in(workload)}); going back supersedes it.",
            )
        return passed("Rollout", "No rollout is in progress.")

    def _replicas_preflight(self) -> Preflight:
        count = wanted_pods(self.change.workload)
        if count == 0:
            return warned(
                "Replicas",
                f"{self.change.live} stands at 0 replicas: the template goes "
                "back, but no pod will serve until it is scaled up.",
            )
        return passed(
            "Replicas", f"{amount(count, 'pod')} to be replaced, one group after the other."
        )

    def _update_preflights(self) -> tuple[Preflight, ...]:
        """What keeps pods from following the template, beside a pause."""
        workload, name = self.change.workload, "Update strategy"
        if update_strategy(workload) == "OnDelete":
            return (
                blocked(
                    name,
                    f"{self.change.live} updates OnDelete: its pods keep "
                    f"{self.change.from_release} until each is deleted by hand, so a changed "
                    "template rolls nothing back. Set spec.updateStrategy.type to RollingUpdate "
                    "and plan again.",
                ),
            )
        partition = partition_of(workload)
        if not partition:
            return ()
        label = self.change.service.version_label
        kept = [pod for pod in self.change.pods if is_partitioned_off(pod, workload)]
        bad = sorted(
            name_of(pod) for pod in kept if release_of(pod, label) == self.change.from_release
        )
        if bad:
            return (
                blocked(
                    name,
                    f"The partition {partition} keeps {', '.join(bad)} at "
                    f"{self.change.from_release}. Lower "
                    "spec.updateStrategy.rollingUpdate.partition to 0 and plan again.",
                ),
            )
        others = ", ".join(sorted(f"{name_of(pod)} ({release_of(pod, label)})" for pod in kept))
        return (
            warned(
                name,
                f"Only pods from ordinal {partition} on are replaced; the partition keeps "
                f"{others or 'the others'} as they are.",
            ),
        )

    def _downtime(self) -> str:
        if not recreates(self.change.workload):
            return "None"
        seconds = rollout_seconds(self.change.workload, self.change.template)
        return (
            f"About {seconds:.0f} s: the Deployment's strategy is Recreate, so all pods stop "
            "before the first new one starts"
        )
