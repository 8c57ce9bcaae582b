"""The plan of a recreation: its preflights, and what must be said before approval."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.clouds.kubernetes.objects import (
    AUTOSCALERS,
    DEPLOYMENTS,
    EVENTS,
    PODS,
    REPLICA_SETS,
    Cluster,
    Right,
)
from bot.clouds.kubernetes.rollouts import is_complete, progress_of
from bot.clouds.kubernetes.workloads import selector_of
from bot.core.values import spoken
from bot.engine.world import World
from bot.incident.plan import Candidate, Concern, Plan, Preflight, Step, StepSpec
from strategies.common.commands import kubectl
from strategies.common.preflights import blocked, or_unknown, passed, warned
from strategies.kubernetes.fields import paused_operations
from strategies.kubernetes.gitops import GitOpsGuard
from strategies.kubernetes.pods import end_patience, gone_command, gone_step
from strategies.kubernetes.preflights import CONFIGURATION as REFERENCES
from strategies.kubernetes.preflights import (
    POD_PROXY,
    Write,
    check_references,
    check_rights,
    check_writes,
    scaling,
    to_change,
    to_follow,
)
from strategies.kubernetes.rollouts import (
    await_rollout_step,
    grace_seconds,
    rollout_seconds,
    undone,
    verify_pods_step,
    version_port,
)
from strategies.kubernetes.scale import Scale, ScaleParams
from strategies.kubernetes.scalers import (
    AUTOSCALER,
    BUDGET,
    SCALED_OBJECTS,
    check_budget,
    check_scalers,
    pause_step,
    pausing,
    resume_step,
)
from strategies.kubernetes.templates import resume_rollout_step
from strategies.kubernetes.workload import RolloutParams
from strategies.recreate.change import RecreateChange, template_step
from strategies.recreate.measure_downtime import MeasureDowntime, MeasureDowntimeParams

# How long the parts of a recreation take, in seconds.


def end_seconds(change: RecreateChange) -> float:
    """How long the old pods may take to end."""
    return grace_seconds(change.deployment["spec"]["template"])


def start_seconds(change: RecreateChange) -> float:
    """How long the new pods take: all of them start together."""
    recreated = {**change.deployment["spec"], "strategy": {"type": "Recreate"}}
    together = rollout_seconds(
        {**change.deployment, "spec": recreated}, change.outcome.template
    ) - grace_seconds(change.outcome.template)
    return max(1.0, together)


def downtime_seconds(change: RecreateChange) -> float:
    """How long nobody is served, as far as one can tell before."""
    return end_seconds(change) + start_seconds(change)


# The steps that take all pods away, and bring them back.


@dataclass(frozen=True, kw_only=True)
class ScalingSteps:
    """Down to nothing, and up to what was recorded or to the autoscaler's minimum."""

    change: RecreateChange

    def down(self) -> Step:
        """To 0, while the old template is live."""
        change, name = self.change, self.change.target.deployment
        return Step(
            title=f"Scale Deployment {name} down from {change.recorded} to 0",
            action=self._spec(change.old, change.recorded, 0, past=change.outcome.template),
            expects={"template": change.old_template, "replicas": change.recorded},
            inverse=self._spec(change.old, 0, change.recorded).model_copy(
                update={"command": self._command(change.recorded)}
            ),
            command=self._command(0),
            estimate_seconds=1.0,
        )

    def empty(self) -> Step:
        """Until the last old pod has ended."""
        change = self.change
        return gone_step(
            change.old,
            labels=selector_of(change.deployment),
            grace=end_seconds(change),
            target=change.outcome.template,
        )

    def up(self) -> Step:
        """With the new template; taken back, it waits until its pods have ended."""
        change, name = self.change, self.change.target.deployment
        minimum = change.scalers.minimum
        why = f", its autoscaler's minimum, since there were {change.recorded}"
        labels, namespace = selector_of(change.deployment), change.target.namespace
        gone = gone_command(namespace, labels, end_patience(end_seconds(change)))
        return Step(
            title=f"Scale Deployment {name} up to {change.restored}"
            + (why if minimum > change.recorded else ""),
            action=self._spec(change.new, 0, change.restored),
            expects={"template": change.outcome.template, "replicas": 0},
            inverse=self._spec(
                change.new, change.restored, 0, past=change.old_template, empty=True
            ).model_copy(update={"command": f"{self._command(0)}\n{gone}"}),
            command=self._command(change.restored),
            estimate_seconds=1.0,
        )

    def _spec(self, pods: RolloutParams, old: int, new: int, **more: object) -> StepSpec:
        params = ScaleParams.model_validate(
            {
                **pods.model_dump(),
                "recorded": old,
                "replicas": new,
                "exact": self.change.scalers.owner is None,
                "patience_seconds": end_patience(end_seconds(self.change)),
                **more,
            }
        )
        return StepSpec(kind=Scale.name, params=params.model_dump(mode="json"))

    def _command(self, replicas: int) -> str:
        target = self.change.target
        return kubectl(
            target.namespace, "scale", f"deployment/{target.deployment}", f"--replicas={replicas}"
        )


# The steps of a recreation.


@dataclass(frozen=True, kw_only=True)
class RecreateSteps:
    """Builds them from the recorded facts."""

    change: RecreateChange

    def all(self) -> tuple[Step, ...]:
        """In order; KEDA is paused around it, a paused rollout is resumed after the template."""
        change, scaling = self.change, ScalingSteps(change=self.change)
        scaler = change.scalers.scaled_object
        pauses = scaler is not None and not scaler.paused
        namespace = change.target.namespace
        before = (pause_step(namespace, scaler),) if scaler and pauses else ()
        after = (resume_step(namespace, scaler),) if scaler and pauses else ()
        paused = bool(change.deployment["spec"].get("paused"))
        return (
            *before,
            scaling.down(),
            scaling.empty(),
            template_step(change),
            *((resume_rollout_step(change.new),) if paused else ()),
            scaling.up(),
            *after,
            *self._proofs(),
        )

    def _proofs(self) -> tuple[Step, ...]:
        """All pods are there, how long there were none, and what each says that it is."""
        change, there = self.change, self.change.new
        back = undone(change.deployment, change.old)
        return (
            await_rollout_step(
                there, back, workload=change.deployment, seconds=start_seconds(change)
            ),
            self._downtime_step(),
            verify_pods_step(
                there,
                back,
                service=change.service,
                workload=change.deployment,
                patience=end_patience(end_seconds(change)),
                seconds=5.0 + 0.1 * change.restored,
            ),
        )

    def _downtime_step(self) -> Step:
        change = self.change
        params = MeasureDowntimeParams.model_validate(
            {**change.new.model_dump(), "served_before": change.served_before}
        )
        events = "--field-selector=reason=ScalingReplicaSet"
        return Step(
            title="Measure the downtime",
            action=StepSpec(kind=MeasureDowntime.name, params=params.model_dump(mode="json")),
            expects={"template": change.outcome.template},
            inverse=None,
            command=kubectl(
                change.target.namespace, "get", "events", events, "--sort-by=.lastTimestamp"
            ),
            estimate_seconds=1.0,
            changes=False,
            concerns=Concern.DOWNTIME,
        )


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
