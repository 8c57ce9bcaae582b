"""Step: resume a paused Deployment, or pause it again when that is taken back."""

from __future__ import annotations

from bot.domain.ownership import last_writer
from bot.domain.plan import Step
from bot.domain.workloads import name_of
from bot.errors import WorldMovedError
from bot.ports.cluster import DEPLOYMENTS, Manifest
from bot.ports.world import Observed, StepState, World
from strategies.steps.rollout import RolloutParams, has_template, moved, read


class SetPausedParams(RolloutParams):
    """The template guards against resuming what was not approved."""

    paused: bool


def paused_operations(paused: bool) -> list[Manifest]:
    """The JSON Patch without its guard."""
    return [{"op": "add", "path": "/spec/paused", "value": paused}]


class SetPaused:
    """Sets ``spec.paused``."""

    name = "set-paused"

    async def observe(self, step: Step, world: World) -> Observed:
        """By ``spec.paused``; OTHER when the template is not the approved one."""
        params = SetPausedParams.model_validate(step.action.params)
        deployment = await read(params, world)
        paused = _is_paused(deployment)
        summary = f"Deployment {name_of(deployment)} is {'' if paused else 'not '}paused."
        if paused == params.paused:
            return Observed(state=StepState.AFTER, summary=summary)
        if has_template(deployment, params.template):
            return Observed(state=StepState.BEFORE, summary=summary)
        return Observed(
            state=StepState.OTHER,
            summary=f"{summary} Its template is not that of {params.release}.",
            changed_by=last_writer(deployment, "spec", "template"),
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError when the template is not the approved one."""
        params = SetPausedParams.model_validate(step.action.params)
        deployment = await read(params, world)
        if not has_template(deployment, params.template):
            raise moved(params, deployment)
        template = deployment["spec"]["template"]
        guard: Manifest = {"op": "test", "path": "/spec/template", "value": template}
        operations = [guard, *paused_operations(params.paused)]
        try:
            await world.cluster.patch(DEPLOYMENTS, params.namespace, params.workload, operations)
        except WorldMovedError as error:
            raise moved(params, await read(params, world)) from error

    async def confirm(self, step: Step, world: World) -> str:
        """Raises WorldMovedError when it was set otherwise meanwhile."""
        params = SetPausedParams.model_validate(step.action.params)
        deployment = await read(params, world)
        if _is_paused(deployment) != params.paused:
            raise WorldMovedError(
                f"Deployment {params.workload} was "
                f"{'resumed' if params.paused else 'paused again'} by "
                f"{last_writer(deployment, 'spec')}.",
                "Plan again.",
            )
        return f"The rollout of {params.workload} is {'paused' if params.paused else 'resumed'}."


def _is_paused(deployment: Manifest) -> bool:
    return bool(deployment["spec"].get("paused"))
