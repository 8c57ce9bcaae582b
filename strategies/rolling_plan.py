"""The steps and preflights of a rolling rollback, for a target that has been chosen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.config.catalog import RollingTarget, ServiceEntry
from bot.domain.plan import Candidate, Milestone, Plan, Preflight, Step, StepSpec
from bot.domain.values import Facts
from bot.domain.workloads import (
    bare_template,
    is_complete,
    progress_of,
    revision_of,
    selector_of,
)
from bot.ports.cluster import DEPLOYMENTS, PODS, REPLICA_SETS, Manifest
from bot.ports.world import World
from strategies.commands import for_each_pod, json_patch, kubectl
from strategies.preflights.configuration import NAME as REFERENCES
from strategies.preflights.configuration import check_references
from strategies.preflights.dry_run import check_patch
from strategies.preflights.gitops import check_gitops
from strategies.preflights.rights import POD_PROXY, Right, check_rights
from strategies.preflights.scaling import AUTOSCALER, BUDGET, check_autoscaler, check_budget
from strategies.preflights.verdicts import or_unknown, passed, warned
from strategies.rollout_estimates import grace_seconds, recreates, rollout_seconds
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
    """From the live template to that of one ReplicaSet."""

    name: str
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

    async def preflights(self, world: World) -> tuple[Preflight, ...]:
        """Everything that can be known before."""
        cluster, namespace = world.cluster, self.target.namespace
        what = f"Deployment {self.target.deployment}"
        checks = await asyncio.gather(
            check_rights(cluster, namespace, _RIGHTS),
            or_unknown(REFERENCES, check_references(cluster, namespace, self.template)),
            or_unknown(AUTOSCALER, check_autoscaler(cluster, namespace, self.deployment)),
            or_unknown(BUDGET, check_budget(cluster, namespace, self.deployment)),
            check_gitops(cluster, self.deployment, what),
            check_patch(
                cluster, DEPLOYMENTS, namespace, self.target.deployment, self._operations()
            ),
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
            from_release=self.from_release,
            to_release=self.to_release,
            steps=self._steps(),
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
                "deployment": f"{self.target.namespace}/{self.target.deployment}",
                "uid": self.deployment["metadata"]["uid"],
                "paused": self.paused,
                "target_revision": self.revision,
            },
            observed_at=observed_at,
        )

    def _operations(self) -> list[Manifest]:
        return revert_operations(
            self.deployment,
            self.deployment["spec"]["template"],
            self.template,
            portable_annotations(self.replica_set),
        )

    def _rollout_preflight(self) -> Preflight:
        if self.paused:
            return warned(
                "Rollout",
                f"Deployment {self.target.deployment} is paused. The plan resumes it after the "
                "template has been reverted; whoever paused it should know.",
            )
        if not is_complete(self.deployment):
            return warned(
                "Rollout",
                f"A rollout is in progress ({progress_of(self.deployment)}); going back "
                "supersedes it.",
            )
        return passed("Rollout", "No rollout is in progress.")

    def _replicas_preflight(self) -> Preflight:
        replicas = self.deployment["spec"].get("replicas", 1)
        if replicas == 0:
            return warned(
                "Replicas",
                f"Deployment {self.target.deployment} stands at 0 replicas: the template goes "
                "back, but no pod will serve until it is scaled up.",
            )
        return passed("Replicas", f"{replicas} pods are replaced one group after the other.")

    def _steps(self) -> tuple[Step, ...]:
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
            json_patch(namespace, "deployment", name, self._operations())
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

    def _downtime(self) -> str:
        if not recreates(self.deployment):
            return "None"
        seconds = rollout_seconds(self.deployment, self.template)
        return (
            f"About {seconds:.0f} s: the Deployment's strategy is Recreate, so all pods stop "
            "before the first new one starts"
        )


def _spec(kind: str, params: RolloutParams) -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"))
