"""Steps that give a workload another pod template, and let it follow."""

from __future__ import annotations

from bot.clouds.kubernetes.objects import Manifest
from bot.clouds.kubernetes.rollouts import bare_template
from bot.core.errors import WorldMovedError
from bot.core.values import Facts
from bot.engine.world import Observed, World
from bot.incident.plan import Step, StepSpec
from strategies.common.commands import json_patch, kubectl
from strategies.common.waiting import Objects, Pending, wait_until
from strategies.kubernetes.fields import SetPaused, SetPausedParams
from strategies.kubernetes.workload import (
    RolloutParams,
    existing,
    has_template,
    moved,
    observed_by_template,
    portable_annotations,
    read,
    restored_annotations,
    selection,
    unseen,
)

# Step: give a workload the pod template of an earlier revision, or another image.


class RevertTemplateParams(RolloutParams):
    """From which template to which, and what is annotated afterwards."""

    old_template: Facts
    annotations: dict[str, str] | None
    """A Deployment's annotations at the target revision, without its own bookkeeping.

    None for the other kinds, whose annotations stay: as kubectl does.
    """
    patience_seconds: float


def revert_operations(
    workload: Manifest, old: Facts, new: Facts, annotations: dict[str, str] | None
) -> list[Manifest]:
    """The JSON Patch that ``kubectl rollout undo`` sends, guarded by a test of the template.

    For a StatefulSet or DaemonSet kubectl sends the ControllerRevision's data, which replaces
    the template and nothing else (``rollback.go``). Not guarded by resourceVersion: status
    updates of a crash-looping workload change it.
    """
    template = [
        {"op": "test", "path": "/spec/template", "value": old},
        {"op": "replace", "path": "/spec/template", "value": new},
    ]
    if annotations is None:
        return template
    has_annotations = "annotations" in workload["metadata"]
    return [
        *template,
        {
            "op": "replace" if has_annotations else "add",
            "path": "/metadata/annotations",
            "value": restored_annotations(workload, annotations),
        },
    ]


class RevertTemplate:
    """Replaces the template and annotations, then waits until the controller has seen it."""

    name = "revert-template"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the live template."""
        params = RevertTemplateParams.model_validate(step.action.params)
        return observed_by_template(params, await read(params, world), params.old_template)

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError, naming who, when the template is no longer the old one."""
        params = RevertTemplateParams.model_validate(step.action.params)
        workload = await read(params, world)
        if not has_template(workload, params.old_template):
            raise moved(params, workload)
        operations = revert_operations(
            workload, workload["spec"]["template"], params.template, params.annotations
        )
        try:
            await world.cluster.patch(
                params.resource, params.namespace, params.workload, operations
            )
        except WorldMovedError as error:
            workload = await read(params, world)
            if not has_template(workload, params.template):
                raise moved(params, workload) from error

    async def confirm(self, step: Step, world: World) -> str:
        """Raises WorldMovedError when the template is replaced again meanwhile."""
        params = RevertTemplateParams.model_validate(step.action.params)

        def check(objects: Objects) -> Pending | str:
            done = f"{params.workload} has the template of {params.release} again."
            return unseen(existing(params, objects[0])) or done

        return await wait_until(
            world, [selection(params)], check, patience_seconds=params.patience_seconds
        )


CONTROLLER_SECONDS = 60.0
"""Patience for the controller to see a change; it normally takes milliseconds."""


def revert_step(
    there: RolloutParams,
    *,
    workload: Manifest,
    annotations: dict[str, str] | None,
    from_release: str,
    title: str,
    command: str = "",
) -> Step:
    """From the live template to the one wanted; the patch itself is the command unless given.

    ``annotations`` are as in ``RevertTemplateParams``.
    """
    live = workload["spec"]["template"]
    params = _params(there, old_template=bare_template(live), annotations=annotations)
    operations = revert_operations(workload, live, there.template, annotations)
    back = None if annotations is None else portable_annotations(workload)
    return Step(
        title=title,
        action=StepSpec(kind=RevertTemplate.name, params=params.model_dump(mode="json")),
        expects={"template": params.old_template},
        inverse=taken_back(there, workload=workload, annotations=back, from_release=from_release),
        command=command or _patch(there, operations),
        estimate_seconds=1.0,
    )


def taken_back(
    there: RolloutParams,
    *,
    workload: Manifest,
    annotations: dict[str, str] | None,
    from_release: str,
) -> StepSpec:
    """The live template again, whoever brought the other one."""
    old = bare_template(workload["spec"]["template"])
    params = _params(
        there.model_copy(update={"template": old, "release": from_release}),
        old_template=there.template,
        annotations=annotations,
    )
    operations = revert_operations(workload, there.template, old, annotations)
    return StepSpec(
        kind=RevertTemplate.name,
        params=params.model_dump(mode="json"),
        command=_patch(there, operations),
    )


def resume_rollout_step(there: RolloutParams) -> Step:
    """A paused Deployment stores a new template but does not roll it out."""
    params = SetPausedParams.model_validate({**there.model_dump(), "paused": False})
    name = f"{there.kind.lower()}/{there.workload}"
    return Step(
        title=f"Resume the paused rollout of {there.workload}",
        action=StepSpec(kind=SetPaused.name, params=params.model_dump(mode="json")),
        expects={"paused": True},
        inverse=StepSpec(
            kind=SetPaused.name,
            params=params.model_copy(update={"paused": True}).model_dump(mode="json"),
            command=kubectl(there.namespace, "rollout", "pause", name),
        ),
        command=kubectl(there.namespace, "rollout", "resume", name),
        estimate_seconds=1.0,
    )


def _params(
    there: RolloutParams, *, old_template: Facts, annotations: dict[str, str] | None
) -> RevertTemplateParams:
    return RevertTemplateParams.model_validate(
        {
            **there.model_dump(),
            "old_template": old_template,
            "annotations": annotations,
            "patience_seconds": CONTROLLER_SECONDS,
        }
    )


def _patch(there: RolloutParams, operations: list[Manifest]) -> str:
    return json_patch(there.namespace, there.kind.lower(), there.workload, operations)
