"""The steps of a recreation."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.plan import Concern, Step, StepSpec
from strategies.commands import kubectl
from strategies.kubernetes.pod_steps import end_patience
from strategies.kubernetes.rollout_steps import await_rollout_step, undone, verify_pods_step
from strategies.kubernetes.scaler_steps import pause_step, resume_step
from strategies.kubernetes.template_steps import resume_rollout_step
from strategies.planning.recreate.change import RecreateChange
from strategies.planning.recreate.scaling import ScalingSteps
from strategies.planning.recreate.templates import template_step
from strategies.planning.recreate.times import end_seconds, start_seconds
from strategies.steps.measure_downtime import MeasureDowntime, MeasureDowntimeParams


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
