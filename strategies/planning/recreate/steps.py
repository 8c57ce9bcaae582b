"""The steps of a recreation."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from bot.domain.plan import Step, StepSpec
from bot.domain.values import Facts, Value
from bot.domain.workloads import same_template, selector_of
from strategies.commands import json_patch, kubectl
from strategies.kubernetes.rollout_steps import await_rollout_step, undone, verify_pods_step
from strategies.kubernetes.scaler_steps import pause_step, resume_step
from strategies.planning.recreate.change import RecreateChange
from strategies.planning.rolling.estimates import grace_seconds, rollout_seconds
from strategies.steps.apply_manifest import ApplyManifest, ApplyManifestParams
from strategies.steps.await_no_pods import AwaitNoPods, AwaitNoPodsParams
from strategies.steps.measure_downtime import MeasureDowntime, MeasureDowntimeParams
from strategies.steps.revert_template import (
    RevertTemplate,
    RevertTemplateParams,
    revert_operations,
)
from strategies.steps.rollout import RolloutParams, portable_annotations
from strategies.steps.scale import Scale, ScaleParams
from strategies.steps.set_paused import SetPaused, SetPausedParams

_CONTROLLER_SECONDS = 60.0
"""Patience for the controller to see a change; it normally takes milliseconds."""
_MARGIN_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class RecreateSteps:
    """Builds them from the recorded facts."""

    change: RecreateChange

    def all(self) -> tuple[Step, ...]:
        """In order; KEDA is paused around it, a paused rollout is resumed after the template."""
        change = self.change
        scaler = change.scalers.scaled_object
        pauses = scaler is not None and not scaler.paused
        namespace = change.target.namespace
        before = (pause_step(namespace, scaler),) if scaler and pauses else ()
        after = (resume_step(namespace, scaler),) if scaler and pauses else ()
        paused = bool(change.deployment["spec"].get("paused"))
        return (
            *before,
            self._down_step(),
            self._empty_step(),
            self._apply_step() if change.source.manifest else self._revert_step(),
            *((self._resume_rollout_step(),) if paused else ()),
            self._up_step(),
            *after,
            self._rollout_step(),
            self._downtime_step(),
            self._verify_step(),
        )

    @property
    def _old(self) -> dict[str, object]:
        return self._of(self.change.old_template, self.change.from_release)

    @property
    def _new(self) -> dict[str, object]:
        return self._of(self.change.outcome.template, self.change.to_release)

    def _of(self, template: Facts, release: str) -> dict[str, object]:
        target = self.change.target
        return {
            "namespace": target.namespace,
            "workload": target.deployment,
            "template": template,
            "release": release,
        }

    @property
    def _end_seconds(self) -> float:
        """How long pods may take to end."""
        return grace_seconds(self.change.deployment["spec"]["template"])

    def _scale(self, template: dict[str, object], old: int, new: int, **more: object) -> StepSpec:
        params = ScaleParams.model_validate(
            {
                **template,
                "recorded": old,
                "replicas": new,
                "exact": self.change.scalers.owner is None,
                "patience_seconds": self._end_seconds + _MARGIN_SECONDS,
                **more,
            }
        )
        return _spec(Scale.name, params)

    def _down_step(self) -> Step:
        change, name = self.change, self.change.target.deployment
        return Step(
            title=f"Scale Deployment {name} down from {change.recorded} to 0",
            action=self._scale(self._old, change.recorded, 0, past=change.outcome.template),
            expects={"template": change.old_template, "replicas": change.recorded},
            inverse=self._scale(self._old, 0, change.recorded).model_copy(
                update={"command": self._scale_command(change.recorded)}
            ),
            command=self._scale_command(0),
            estimate_seconds=1.0,
        )

    def _empty_step(self) -> Step:
        change = self.change
        params = AwaitNoPodsParams.model_validate(
            {
                **self._old,
                "target": change.outcome.template,
                "patience_seconds": self._end_seconds + _MARGIN_SECONDS,
            }
        )
        return Step(
            title=f"Wait until no pod of {change.from_release} is left",
            action=_spec(AwaitNoPods.name, params),
            expects={"replicas": 0},
            inverse=None,
            command=self._gone_command(),
            estimate_seconds=min(self._end_seconds, 10.0),
            changes=False,
        )

    def _scale_command(self, replicas: int) -> str:
        target = self.change.target
        return kubectl(
            target.namespace, "scale", f"deployment/{target.deployment}", f"--replicas={replicas}"
        )

    def _gone_command(self) -> str:
        labels, namespace = selector_of(self.change.deployment), self.change.target.namespace
        timeout = f"--timeout={self._end_seconds + _MARGIN_SECONDS:.0f}s"
        wait = kubectl(namespace, "wait", "--for=delete", "pod", "-l", labels, timeout)
        left = kubectl(namespace, "get", "pods", "-l", labels, "-o", "name")
        return f'{wait} || test -z "$({left})"'

    def _revert_params(self, annotations: dict[str, str]) -> RevertTemplateParams:
        return RevertTemplateParams.model_validate(
            {
                **self._new,
                "old_template": self.change.old_template,
                "annotations": annotations,
                "patience_seconds": _CONTROLLER_SECONDS,
            }
        )

    def _revert_inverse(self) -> StepSpec:
        params = RevertTemplateParams.model_validate(
            {
                **self._old,
                "old_template": self.change.outcome.template,
                "annotations": portable_annotations(self.change.deployment),
                "patience_seconds": _CONTROLLER_SECONDS,
            }
        )
        back = revert_operations(
            self.change.deployment,
            self.change.outcome.template,
            self.change.old_template,
            params.annotations,
        )
        target = self.change.target
        command = json_patch(target.namespace, "deployment", target.deployment, back)
        return _spec(RevertTemplate.name, params).model_copy(update={"command": command})

    def _revert_step(self) -> Step:
        change, name = self.change, self.change.target.deployment
        annotations = portable_annotations(change.source.replica_set or {"metadata": {}})
        operations = revert_operations(
            change.deployment,
            change.deployment["spec"]["template"],
            change.outcome.template,
            annotations,
        )
        return Step(
            title=f"Give Deployment {name} the template of {change.to_release} again "
            f"({change.source.option.candidate.detail})",
            action=_spec(RevertTemplate.name, self._revert_params(annotations)),
            expects={"template": change.old_template},
            inverse=self._revert_inverse(),
            command=json_patch(change.target.namespace, "deployment", name, operations),
            estimate_seconds=1.0,
        )

    def _apply_step(self) -> Step:
        change, outcome = self.change, self.change.outcome
        params = ApplyManifestParams.model_validate(
            {
                **self._new,
                "old_template": change.old_template,
                "applied_template": outcome.applied_template,
                "manifest": change.source.manifest,
                "managers": outcome.managers,
                "patience_seconds": _CONTROLLER_SECONDS,
            }
        )
        return Step(
            title=f"Apply the manifest of {change.to_release} ({change.source.path})",
            action=_spec(ApplyManifest.name, params),
            expects={"template": change.old_template, "managers": list(outcome.managers)},
            inverse=self._revert_inverse(),
            command=_apply_command(params),
            estimate_seconds=1.0,
        )

    def _resume_rollout_step(self) -> Step:
        params = SetPausedParams.model_validate({**self._new, "paused": False})
        name, namespace = self.change.target.deployment, self.change.target.namespace
        again = kubectl(namespace, "rollout", "pause", f"deployment/{name}")
        return Step(
            title=f"Resume the paused rollout of {name}",
            action=_spec(SetPaused.name, params),
            expects={"paused": True},
            inverse=_spec(SetPaused.name, params.model_copy(update={"paused": True})).model_copy(
                update={"command": again}
            ),
            command=kubectl(namespace, "rollout", "resume", f"deployment/{name}"),
            estimate_seconds=1.0,
        )

    def _up_step(self) -> Step:
        change, name = self.change, self.change.target.deployment
        minimum = change.scalers.minimum
        why = f", its autoscaler's minimum, since there were {change.recorded}"
        return Step(
            title=f"Scale Deployment {name} up to {change.restored}"
            + (why if minimum > change.recorded else ""),
            action=self._scale(self._new, 0, change.restored),
            expects={"template": change.outcome.template, "replicas": 0},
            inverse=self._scale(
                self._new, change.restored, 0, past=change.old_template, empty=True
            ).model_copy(update={"command": f"{self._scale_command(0)}\n{self._gone_command()}"}),
            command=self._scale_command(change.restored),
            estimate_seconds=1.0,
        )

    def _rollout_step(self) -> Step:
        there, back = self._there_and_back()
        return await_rollout_step(
            there, back, workload=self.change.deployment, seconds=start_seconds(self.change)
        )

    def _downtime_step(self) -> Step:
        params = MeasureDowntimeParams.model_validate(
            {**self._new, "served_before": self.change.served_before}
        )
        namespace = self.change.target.namespace
        events = "--field-selector=reason=ScalingReplicaSet"
        return Step(
            title="Measure the downtime",
            action=_spec(MeasureDowntime.name, params),
            expects={"template": self.change.outcome.template},
            inverse=None,
            command=kubectl(namespace, "get", "events", events, "--sort-by=.lastTimestamp"),
            estimate_seconds=1.0,
            changes=False,
        )

    def _verify_step(self) -> Step:
        there, back = self._there_and_back()
        return verify_pods_step(
            there,
            back,
            service=self.change.service,
            workload=self.change.deployment,
            patience=self._end_seconds + _MARGIN_SECONDS,
            seconds=5.0 + 0.1 * self.change.restored,
        )

    def _there_and_back(self) -> tuple[RolloutParams, RolloutParams | None]:
        back = RolloutParams.model_validate(self._old)
        return RolloutParams.model_validate(self._new), undone(self.change.deployment, back)


def start_seconds(change: RecreateChange) -> float:
    """How long the new pods take: all of them start together."""
    recreated = {**change.deployment["spec"], "strategy": {"type": "Recreate"}}
    together = rollout_seconds(
        {**change.deployment, "spec": recreated}, change.outcome.template
    ) - grace_seconds(change.outcome.template)
    return max(1.0, together)


def downtime_seconds(change: RecreateChange) -> float:
    """How long nobody is served, as far as one can tell before."""
    return grace_seconds(change.deployment["spec"]["template"]) + start_seconds(change)


def _apply_command(params: ApplyManifestParams) -> str:
    text = shlex.quote(json.dumps(params.manifest, separators=(",", ":"), sort_keys=True))
    apply = kubectl(
        params.namespace,
        "apply",
        "--server-side",
        "--field-manager=rollback-bot",
        "--force-conflicts",
        "-f",
        "-",
    )
    command = f"printf %s {text} | {apply}"
    if same_template(params.template, params.applied_template):
        return command
    replaced = [{"op": "replace", "path": "/spec/template", "value": params.template}]
    patch = json_patch(params.namespace, "deployment", params.workload, replaced)
    return f"{command} && {patch}"


def _spec(kind: str, params: Value) -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"))
