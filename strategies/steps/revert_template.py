"""Step: give a Deployment the pod template of an earlier revision."""

from __future__ import annotations

from bot.domain.ownership import last_writer
from bot.domain.plan import Step
from bot.domain.values import Facts
from bot.domain.workloads import name_of
from bot.errors import WorldMovedError
from bot.ports.cluster import DEPLOYMENTS, Manifest
from bot.ports.world import Observed, StepState, World
from strategies.steps.rollout import (
    RolloutParams,
    has_template,
    moved,
    read,
    restored_annotations,
)
from strategies.waiting import Objects, Pending, Selection, wait_until


class RevertTemplateParams(RolloutParams):
    """From which template to which, and what is annotated afterwards."""

    old_template: Facts
    annotations: dict[str, str]
    """Annotations of the target revision, without the Deployment's own bookkeeping."""
    patience_seconds: float


def revert_operations(
    deployment: Manifest, old: Facts, new: Facts, annotations: dict[str, str]
) -> list[Manifest]:
    """The JSON Patch that ``kubectl rollout undo`` sends, guarded by a test of the template.

    Not guarded by resourceVersion: status updates of a crash-looping Deployment change it.
    """
    has_annotations = "annotations" in deployment["metadata"]
    return [
        {"op": "test", "path": "/spec/template", "value": old},
        {"op": "replace", "path": "/spec/template", "value": new},
        {
            "op": "replace" if has_annotations else "add",
            "path": "/metadata/annotations",
            "value": restored_annotations(deployment, annotations),
        },
    ]


class RevertTemplate:
    """Replaces the template and annotations, then waits until the controller has seen it."""

    name = "revert-template"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the live template."""
        params = RevertTemplateParams.model_validate(step.action.params)
        deployment = await read(params, world)
        if has_template(deployment, params.template):
            summary = f"Deployment {params.deployment} has the template of {params.release}."
            return Observed(state=StepState.AFTER, summary=summary)
        if has_template(deployment, params.old_template):
            summary = f"Deployment {params.deployment} has the template that is to be replaced."
            return Observed(state=StepState.BEFORE, summary=summary)
        return Observed(
            state=StepState.OTHER,
            summary=f"Deployment {params.deployment} has a template that the plan does not know.",
            changed_by=last_writer(deployment, "spec", "template"),
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError, naming who, when the template is no longer the old one."""
        params = RevertTemplateParams.model_validate(step.action.params)
        deployment = await read(params, world)
        if not has_template(deployment, params.old_template):
            raise moved(params, deployment)
        operations = revert_operations(
            deployment, deployment["spec"]["template"], params.template, params.annotations
        )
        try:
            await world.cluster.patch(DEPLOYMENTS, params.namespace, params.deployment, operations)
        except WorldMovedError as error:
            deployment = await read(params, world)
            if not has_template(deployment, params.template):
                raise moved(params, deployment) from error

    async def confirm(self, step: Step, world: World) -> str:
        """Raises WorldMovedError when the template is replaced again meanwhile."""
        params = RevertTemplateParams.model_validate(step.action.params)

        def check(objects: Objects) -> Pending | str:
            if not objects[0]:
                raise WorldMovedError(f"Deployment {params.deployment} was deleted.", "Plan again.")
            deployment = objects[0][0]
            if not has_template(deployment, params.template):
                raise moved(params, deployment)
            generation = deployment["metadata"].get("generation", 0)
            if (deployment.get("status") or {}).get("observedGeneration", 0) < generation:
                return Pending(
                    summary=f"the controller has not seen generation {generation} of "
                    f"{name_of(deployment)}"
                )
            return f"{params.deployment} has the template of {params.release} again."

        selection = Selection(
            kind=DEPLOYMENTS,
            namespace=params.namespace,
            fields=f"metadata.name={params.deployment}",
        )
        return await wait_until(world, [selection], check, patience_seconds=params.patience_seconds)
