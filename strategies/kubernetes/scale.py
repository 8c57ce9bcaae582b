"""Step: change how many pods a Deployment has."""

from __future__ import annotations

from bot.clouds.kubernetes.objects import Manifest
from bot.clouds.kubernetes.ownership import last_writer
from bot.clouds.kubernetes.rollouts import doomed_reason, own_pods
from bot.clouds.kubernetes.workloads import is_finished, name_of, ready_names
from bot.core.errors import PermanentError, WorldMovedError
from bot.core.values import Facts, amount
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Step
from strategies.common.waiting import Objects, Pending, wait_until
from strategies.kubernetes.workload import (
    RolloutParams,
    has_template,
    moved,
    read,
    selections,
    the_one,
    unseen,
    without_template,
)


class ScaleParams(RolloutParams):
    """From how many pods to how many, while the Deployment has ``template``."""

    recorded: int
    """How many there were when the plan was made."""
    replicas: int
    """How many there are to be."""
    exact: bool
    """Nothing scales it by itself: another number than the recorded one is somebody's decision."""
    past: Facts | None = None
    """When this template is live, a later step has been done already: there is nothing to do."""
    empty: bool = False
    """Wait until no pod of the Deployment is left."""
    ready: bool = False
    """Wait until so many pods are ready, because traffic comes next."""
    patience_seconds: float


class Scale:
    """Writes ``spec.replicas`` behind tests of the template and of the number that was found."""

    name = "scale"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the live number; OTHER when somebody else deployed or scaled."""
        params = ScaleParams.model_validate(step.action.params)
        return _observed(params, await read(params, world))

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError, naming who, when the template or the number is another one."""
        params = ScaleParams.model_validate(step.action.params)
        deployment = await read(params, world)
        if _observed(params, deployment).state is StepState.OTHER:
            raise _conflict(params, deployment)
        try:
            await world.cluster.patch(
                params.resource, params.namespace, params.workload, _operations(params, deployment)
            )
        except WorldMovedError as error:
            deployment = await read(params, world)
            if _observed(params, deployment).state is not StepState.AFTER:
                raise _conflict(params, deployment) from error

    async def confirm(self, step: Step, world: World) -> str:
        """Waits for the controller, and for the last pod's end where that is wanted."""
        params = ScaleParams.model_validate(step.action.params)
        deployment = await read(params, world)
        return await wait_until(
            world,
            selections(params, deployment),
            lambda objects: _check(params, objects),
            patience_seconds=params.patience_seconds,
        )


def _replicas(deployment: Manifest) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _operations(params: ScaleParams, deployment: Manifest) -> list[Manifest]:
    spec = deployment["spec"]
    return [
        {"op": "test", "path": "/spec/template", "value": spec["template"]},
        {"op": "test", "path": "/spec/replicas", "value": spec.get("replicas")},
        {"op": "add", "path": "/spec/replicas", "value": params.replicas},
    ]


def _observed(params: ScaleParams, deployment: Manifest) -> Observed:
    replicas = _replicas(deployment)
    summary = f"{params} stands at {amount(replicas, 'replica')}."
    facts: Facts = {"replicas": replicas}
    if params.past is not None and has_template(deployment, params.past):
        return Observed(state=StepState.AFTER, summary=f"{summary} It is past this.", facts=facts)
    if not has_template(deployment, params.template):
        return without_template(params, deployment)
    if _is_reached(params, replicas):
        return Observed(state=StepState.AFTER, summary=summary, facts=facts)
    if params.exact and replicas != params.recorded:
        return Observed(
            state=StepState.OTHER,
            summary=f"{summary} There were {params.recorded}.",
            facts=facts,
            changed_by=last_writer(deployment, "spec", "replicas"),
        )
    return Observed(state=StepState.BEFORE, summary=summary, facts=facts)


def _is_reached(params: ScaleParams, replicas: int) -> bool:
    """More pods than wanted are a scaler's business, and so are fewer once there are some."""
    if params.replicas == 0:
        return replicas == 0
    started = params.recorded == 0 and replicas > 0 and not params.exact
    return started or replicas >= params.replicas


def _conflict(params: ScaleParams, deployment: Manifest) -> WorldMovedError:
    if not has_template(deployment, params.template):
        return moved(params, deployment)
    return WorldMovedError(
        f"{params} was scaled to {_replicas(deployment)} by "
        f"{last_writer(deployment, 'spec', 'replicas')}.",
        "Plan again.",
    )


def _check(params: ScaleParams, objects: Objects) -> Pending | str:
    found, revisions, pods = objects
    deployment = the_one(found, params)
    if params.past is not None and has_template(deployment, params.past):
        return f"{params} is past this."
    if _observed(params, deployment).state is not StepState.AFTER:
        raise _conflict(params, deployment)
    if waiting := unseen(deployment):
        return waiting
    mine = [pod for pod in own_pods(pods, revisions, deployment) if not is_finished(pod)]
    if params.ready and (waiting := _unready(params, mine)):
        return waiting
    left = [name_of(pod) for pod in mine]
    if params.empty and left:
        return Pending(
            summary=f"pods of {params.workload} are still ending: {', '.join(sorted(left))}",
            progress=str(len(left)),
        )
    return f"{params} stands at {amount(_replicas(deployment), 'replica')}."


def _unready(params: ScaleParams, pods: list[Manifest]) -> Pending | None:
    for pod in pods:
        if reason := doomed_reason(pod):
            raise PermanentError(
                f"Pod {name_of(pod)} of {params.release} cannot start: {reason}.",
                "Repair what it needs before it gets traffic.",
            )
    ready = len(ready_names(pods))
    if ready >= params.replicas:
        return None
    return Pending(
        summary=f"{ready} of {params.replicas} pods of {params.workload} are ready",
        progress=str(ready),
    )
