"""The steps of a rolling rollback."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from bot.config.targets import RollingTarget
from bot.domain.plan import Step, StepSpec
from bot.domain.rollouts import (
    REVISION_LABEL,
    is_ordered,
    is_partitioned_off,
    mark_of,
    mark_on,
    ordinal_of,
    target_marks,
    wanted_pods,
)
from bot.domain.values import Facts
from bot.domain.workloads import bare_template, is_ready, labels_of, name_of, selector_of
from bot.ports.cluster import Kind, Manifest
from strategies.commands import json_patch, kubectl
from strategies.kubernetes.gitops import GitOpsGuard
from strategies.kubernetes.rollout_steps import (
    await_rollout_step,
    undone,
    verify_pods_step,
    version_port,
)
from strategies.planning.rolling.estimates import grace_seconds, rollout_seconds
from strategies.planning.rolling.targets import Destination, LiveWorkload
from strategies.preflights.dry_run import Write
from strategies.steps.delete_broken_pods import DeleteBrokenPods, DeleteBrokenPodsParams
from strategies.steps.revert_template import (
    RevertTemplate,
    RevertTemplateParams,
    revert_operations,
)
from strategies.steps.rollout import WORKLOADS, RolloutParams, portable_annotations
from strategies.steps.set_paused import SetPaused, SetPausedParams, paused_operations

_CONTROLLER_SECONDS = 60.0
"""Patience for the controller to see a change; it normally takes milliseconds."""


@dataclass(frozen=True, kw_only=True)
class RollingChange:
    """From the live template to another one, and the steps that lead there."""

    service: ServiceEntry
    live: LiveWorkload
    destination: Destination
    pods: tuple[Manifest, ...]
    """The workload's own pods when the plan was made."""
    guard: GitOpsGuard

    @property
    def target(self) -> RollingTarget:
        """The catalog's entry."""
        return self.live.target

    @property
    def workload(self) -> Manifest:
        """The live object."""
        return self.live.workload

    @property
    def resource(self) -> Kind:
        """Where the workload is found."""
        return WORKLOADS[self.target.kind]

    @property
    def from_release(self) -> str:
        """Of the live template."""
        return self.live.release

    @property
    def to_release(self) -> str:
        """Of the template that is to be live."""
        return self.destination.option.candidate.release

    @property
    def template(self) -> Facts:
        """What is to be live afterwards."""
        return self.destination.template

    @property
    def paused(self) -> bool:
        """A paused Deployment stores a new template but does not roll it out."""
        return bool(self.workload["spec"].get("paused"))

    @property
    def asks_pods(self) -> bool:
        """Whether every pod is asked for its version in the end."""
        return version_port(self.service) is not None

    def steps(self) -> tuple[Step, ...]:
        """In order; a paused Deployment is resumed after its template is right."""
        return (
            *self.guard.steps,
            self._revert_step(),
            *((self._resume_step(),) if self.paused else ()),
            *((self._broken_step(),) if is_ordered(self.workload) else ()),
            *self._wait_steps(),
        )

    def operations(self) -> list[Manifest]:
        """The JSON Patch of the change."""
        return revert_operations(
            self.workload,
            self.workload["spec"]["template"],
            self.template,
            self.destination.annotations,
        )

    def writes(self) -> tuple[Write, ...]:
        """What the steps send to the API server, for dry runs."""
        patches = [self.operations()]
        if self.paused:
            patches.append(paused_operations(False))
        return tuple(
            Write(
                kind=self.resource,
                namespace=self.target.namespace,
                name=self.target.workload,
                operations=tuple(patch),
            )
            for patch in patches
        )

    @property
    def _resource_name(self) -> str:
        """As kubectl takes it: ``statefulset/db``."""
        return f"{self.target.kind.lower()}/{self.target.workload}"

    def _common(self) -> dict[str, object]:
        return {
            "namespace": self.target.namespace,
            "kind": self.target.kind,
            "workload": self.target.workload,
            "template": self.template,
            "release": self.to_release,
        }

    def _revert_step(self) -> Step:
        old = bare_template(self.workload["spec"]["template"])
        annotations = self.destination.annotations
        params = RevertTemplateParams.model_validate(
            {
                **self._common(),
                "old_template": old,
                "annotations": annotations,
                "patience_seconds": _CONTROLLER_SECONDS,
            }
        )
        old_annotations = None if annotations is None else portable_annotations(self.workload)
        inverse = params.model_copy(
            update={
                "template": old,
                "old_template": self.template,
                "release": self.from_release,
                "annotations": old_annotations,
            }
        )
        namespace, name = self.target.namespace, self.target.workload
        back = revert_operations(self.workload, self.template, old, old_annotations)
        return Step(
            title=self._revert_title(),
            action=_spec(RevertTemplate.name, params),
            expects={"template": old},
            inverse=_spec(RevertTemplate.name, inverse).model_copy(
                update={"command": json_patch(namespace, self.target.kind.lower(), name, back)}
            ),
            command=self._revert_command(),
            estimate_seconds=1.0,
        )

    def _revert_title(self) -> str:
        to = self.destination
        if to.revision is None:
            return f"Set the image of container {to.container} in {self.live} to {to.image}"
        return f"Give {self.live} the template of {self.to_release} again (revision {to.revision})"

    def _revert_command(self) -> str:
        """kubectl has a word for most of it; else the patch that the bot sends."""
        namespace, to = self.target.namespace, self.destination
        # kubectl refuses to undo a paused Deployment; the patch is what undo sends.
        if to.revision is not None and not self.paused:
            return kubectl(
                namespace, "rollout", "undo", self._resource_name, f"--to-revision={to.revision}"
            )
        return json_patch(
            namespace, self.target.kind.lower(), self.target.workload, self.operations()
        )

    def _resume_step(self) -> Step:
        params = SetPausedParams.model_validate({**self._common(), "paused": False})
        inverse = params.model_copy(update={"paused": True})
        again = kubectl(self.target.namespace, "rollout", "pause", self._resource_name)
        return Step(
            title=f"Resume the paused rollout of {self.target.workload}",
            action=_spec(SetPaused.name, params),
            expects={"paused": True},
            inverse=_spec(SetPaused.name, inverse).model_copy(update={"command": again}),
            command=kubectl(self.target.namespace, "rollout", "resume", self._resource_name),
            estimate_seconds=1.0,
        )

    def _broken_step(self) -> Step:
        target = target_marks(self.live.revisions, self.workload, self.template)
        known = {mark_of(one) for one in self.live.revisions} | {mark_on(pod) for pod in self.pods}
        revisions = tuple(sorted(filter(None, known - target)))
        params = DeleteBrokenPodsParams.model_validate(
            {
                **self._common(),
                "revisions": revisions,
                "patience_seconds": grace_seconds(self.workload["spec"]["template"])
                + _CONTROLLER_SECONDS,
            }
        )
        broken = [
            name_of(pod)
            for pod in sorted(self.pods, key=ordinal_of, reverse=True)
            if labels_of(pod).get(REVISION_LABEL) in revisions
            and not is_ready(pod)
            and not is_partitioned_off(pod, self.workload)
        ]
        now = f"now {', '.join(broken)}" if broken else "now none"
        return Step(
            title=f"Delete pods of {self.target.workload} that are not ready and not of "
            f"{self.to_release} ({now}): the rollout would wait for them for ever",
            action=_spec(DeleteBrokenPods.name, params),
            expects={"template": self.template},
            # A deleted pod needs no way back: its controller makes it anew.
            inverse=_spec(DeleteBrokenPods.name, params).model_copy(
                update={"command": "true  # nothing to take back: the pods were made anew"}
            ),
            command=self._broken_command(revisions),
            estimate_seconds=1.0 + (grace_seconds(self.template) if broken else 0.0),
        )

    def _broken_command(self, revisions: tuple[str, ...]) -> str:
        namespace = self.target.namespace
        labels = f"{selector_of(self.workload)},{REVISION_LABEL} in ({','.join(revisions)})"
        pods = kubectl(namespace, "get", "pods", "-l", labels, "--no-headers")
        unready = shlex.quote('{split($2, ready, "/"); if (ready[1] != ready[2]) print $1}')
        delete = kubectl(namespace, "delete", "pod", "--wait=false")
        return f"{pods} | awk {unready} | xargs -r {delete}"

    def _wait_steps(self) -> tuple[Step, ...]:
        there = RolloutParams.model_validate(self._common())
        old = {"template": bare_template(self.workload["spec"]["template"])}
        back = there.model_copy(update={**old, "release": self.from_release})
        back_to = undone(self.workload, back)
        return (
            await_rollout_step(
                there,
                back_to,
                workload=self.workload,
                seconds=rollout_seconds(self.workload, self.template),
            ),
            verify_pods_step(
                there,
                back_to,
                service=self.service,
                workload=self.workload,
                patience=grace_seconds(self.template) + _CONTROLLER_SECONDS,
                seconds=5.0 + 0.1 * wanted_pods(self.workload),
            ),
        )


def _spec(kind: str, params: RolloutParams) -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"))
