"""The steps that take all pods away, and bring them back."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.plan import Step, StepSpec
from bot.domain.workloads import selector_of
from strategies.commands import kubectl
from strategies.kubernetes.pod_steps import end_patience, gone_command, gone_step
from strategies.planning.recreate.change import RecreateChange
from strategies.planning.recreate.times import end_seconds
from strategies.steps.rollout import RolloutParams
from strategies.steps.scale import Scale, ScaleParams


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
