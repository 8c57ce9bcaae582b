"""The steps of a rolling rollback."""

from __future__ import annotations

from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from bot.config.targets import RollingTarget
from bot.domain.plan import Milestone, Step, StepSpec
from bot.domain.values import Facts
from bot.domain.workloads import bare_template, revision_of, selector_of
from bot.ports.cluster import Manifest
from strategies.commands import for_each_pod, json_patch, kubectl
from strategies.rollout_estimates import grace_seconds, rollout_seconds
from strategies.steps.await_rollout import AwaitRollout, AwaitRolloutParams
from strategies.steps.revert_template import (
    RevertTemplate,
    RevertTemplateParams,
    revert_operations,
)
from strategies.steps.rollout import RolloutParams, portable_annotations
from strategies.steps.set_paused import SetPaused, SetPausedParams
from strategies.steps.verify_pods import VerifyPods, VerifyPodsParams

_CONTROLLER_SECONDS = 60.0
"""Patience for the controller to see a change; it normally takes milliseconds."""
_DEADLINE_MARGIN_SECONDS = 60.0
_DEFAULT_DEADLINE_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class RollingChange:
    """From the live template to that of one ReplicaSet, and the steps that lead there."""

    service: ServiceEntry
    target: RollingTarget
    deployment: Manifest
    replica_set: Manifest
    from_release: str
    to_release: str

    @property
    def template(self) -> Facts:
        """What is to be live afterwards."""
        return bare_template(self.replica_set["spec"]["template"])

    @property
    def paused(self) -> bool:
        """A paused Deployment stores a new template but does not roll it out."""
        return bool(self.deployment["spec"].get("paused"))

    @property
    def revision(self) -> int:
        """Number of the target revision."""
        return revision_of(self.replica_set)

    def steps(self) -> tuple[Step, ...]:
        """In order; a paused Deployment is resumed after its template is right."""
        resume = (self._resume_step(),) if self.paused else ()
        return (self._revert_step(), *resume, self._rollout_step(), self._verify_step())

    def _common(self) -> dict[str, object]:
        return {
            "namespace": self.target.namespace,
            "deployment": self.target.deployment,
            "template": self.template,
            "release": self.to_release,
        }

    def _revert_step(self) -> Step:
        old = bare_template(self.deployment["spec"]["template"])
        params = RevertTemplateParams.model_validate(
            {
                **self._common(),
                "old_template": old,
                "annotations": portable_annotations(self.replica_set),
                "patience_seconds": _CONTROLLER_SECONDS,
            }
        )
        inverse = params.model_copy(
            update={
                "template": old,
                "old_template": self.template,
                "release": self.from_release,
                "annotations": portable_annotations(self.deployment),
            }
        )
        namespace, name = self.target.namespace, self.target.deployment
        # kubectl refuses to undo a paused Deployment; the patch is what undo sends.
        command = (
            json_patch(namespace, "deployment", name, self.operations())
            if self.paused
            else kubectl(
                namespace, "rollout", "undo", f"deployment/{name}", f"--to-revision={self.revision}"
            )
        )
        return Step(
            title=f"Give Deployment {name} the template of {self.to_release} again "
            f"(revision {self.revision})",
            action=_spec(RevertTemplate.name, params),
            expects={"template": old},
            inverse=_spec(RevertTemplate.name, inverse),
            command=command,
            estimate_seconds=1.0,
        )

    def _resume_step(self) -> Step:
        params = SetPausedParams.model_validate({**self._common(), "paused": False})
        inverse = params.model_copy(update={"paused": True})
        name = self.target.deployment
        return Step(
            title=f"Resume the paused rollout of {name}",
            action=_spec(SetPaused.name, params),
            expects={"paused": True},
            inverse=_spec(SetPaused.name, inverse),
            command=kubectl(self.target.namespace, "rollout", "resume", f"deployment/{name}"),
            estimate_seconds=1.0,
        )

    def _rollout_step(self) -> Step:
        spec = self.deployment["spec"]
        deadline = spec.get("progressDeadlineSeconds", _DEFAULT_DEADLINE_SECONDS)
        params = AwaitRolloutParams.model_validate(
            {**self._common(), "patience_seconds": deadline + _DEADLINE_MARGIN_SECONDS}
        )
        name = self.target.deployment
        return Step(
            title=f"Wait until all pods of {name} are those of {self.to_release}",
            action=_spec(AwaitRollout.name, params),
            expects={"template": self.template},
            inverse=None,
            command=kubectl(self.target.namespace, "rollout", "status", f"deployment/{name}"),
            estimate_seconds=rollout_seconds(self.deployment, self.template),
            changes=False,
            milestone=Milestone.SWITCHED,
        )

    def _verify_step(self) -> Step:
        grace = grace_seconds(self.template)
        metrics = self.service.metrics
        path = self.service.version_path
        port = self.service.instance_port or (metrics.port if metrics else None)
        params = VerifyPodsParams.model_validate(
            {
                **self._common(),
                "port": port if path else None,
                "path": path or "",
                "patience_seconds": grace + _CONTROLLER_SECONDS,
            }
        )
        labels = selector_of(self.deployment)
        command = (
            kubectl(self.target.namespace, "get", "pods", "-l", labels, "-o", "wide")
            if port is None or not path
            else for_each_pod(self.target.namespace, labels, port, path)
        )
        return Step(
            title=f"Verify that the old pods are gone and every pod is {self.to_release}",
            action=_spec(VerifyPods.name, params),
            expects={"template": self.template},
            inverse=None,
            command=command,
            estimate_seconds=5.0 + 0.1 * self.deployment["spec"].get("replicas", 1),
            changes=False,
            milestone=Milestone.DRAINED,
        )

    def operations(self) -> list[Manifest]:
        """The JSON Patch of the change."""
        return revert_operations(
            self.deployment,
            self.deployment["spec"]["template"],
            self.template,
            portable_annotations(self.replica_set),
        )


def _spec(kind: str, params: RolloutParams) -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"))
