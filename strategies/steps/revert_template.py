"""Step: give a workload the pod template of an earlier revision, or another image."""

from __future__ import annotations

from bot.domain.plan import Step
from bot.domain.values import Facts
from bot.errors import WorldMovedError
from bot.ports.cluster import Manifest
from bot.ports.world import Observed, World
from strategies.steps.rollout import (
    RolloutParams,
    existing,
    has_template,
    moved,
    observed_by_template,
    read,
    restored_annotations,
    selection,
    unseen,
)
from strategies.waiting import Objects, Pending, wait_until


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
