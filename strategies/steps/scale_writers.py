"""Step: stop a Deployment that writes to a database, or start it again."""

from __future__ import annotations

from bot.domain.ownership import last_writer
from bot.domain.plan import Step
from bot.domain.revisions import doomed_reason
from bot.domain.values import Value, amount
from bot.domain.workloads import is_finished, is_terminating, name_of, ready_names
from bot.errors import PermanentError, WorldMovedError
from bot.ports.cluster import DEPLOYMENTS, PODS, Manifest
from bot.ports.world import Observed, StepState, World
from strategies.kubernetes.selections import named
from strategies.waiting import Objects, Pending, Selection, wait_until


class ScaleWritersParams(Value):
    """From how many replicas to how many; one of the two is 0."""

    namespace: str
    deployment: str
    selector: str
    before: int
    after: int
    autoscaled: bool = False
    """An autoscaler may already have gone on from ``after``."""
    patience_seconds: float


def scale_operations(before: int, after: int) -> list[Manifest]:
    """The JSON Patch, guarded by the number that was decided upon."""
    return [
        {"op": "test", "path": "/spec/replicas", "value": before},
        {"op": "replace", "path": "/spec/replicas", "value": after},
    ]


class ScaleWriters:
    """Sets ``spec.replicas`` and waits for the pods: none left, or all ready."""

    name = "scale-writers"

    async def observe(self, step: Step, world: World) -> Observed:
        """By ``spec.replicas``."""
        params = ScaleWritersParams.model_validate(step.action.params)
        deployment = await world.cluster.get(DEPLOYMENTS, params.namespace, params.deployment)
        replicas = _replicas(deployment)
        summary = f"Deployment {params.deployment} is meant to have {amount(replicas, 'replica')}."
        if _reached(params, replicas):
            return Observed(state=StepState.AFTER, summary=summary, facts={"replicas": replicas})
        if replicas == params.before:
            return Observed(state=StepState.BEFORE, summary=summary, facts={"replicas": replicas})
        return Observed(
            state=StepState.OTHER,
            summary=summary,
            facts={"replicas": replicas},
            changed_by=last_writer(deployment, "spec", "replicas"),
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError when somebody else has scaled it."""
        params = ScaleWritersParams.model_validate(step.action.params)
        where = (DEPLOYMENTS, params.namespace, params.deployment)
        try:
            await world.cluster.patch(*where, scale_operations(params.before, params.after))
        except WorldMovedError as error:
            deployment = await world.cluster.get(*where)
            if not _reached(params, _replicas(deployment)):
                raise _scaled(params, deployment) from error

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError for pods that cannot start, or do not stop in time."""
        params = ScaleWritersParams.model_validate(step.action.params)
        selections = (
            named(DEPLOYMENTS, params.namespace, params.deployment),
            Selection(kind=PODS, namespace=params.namespace, labels=params.selector),
        )
        return await wait_until(
            world,
            selections,
            lambda objects: _check(params, objects),
            patience_seconds=params.patience_seconds,
        )


def _replicas(deployment: Manifest) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _reached(params: ScaleWritersParams, replicas: int) -> bool:
    return replicas == params.after or (params.autoscaled and params.after > 0 and replicas > 0)


def _scaled(params: ScaleWritersParams, deployment: Manifest) -> WorldMovedError:
    return WorldMovedError(
        f"Deployment {params.deployment} was scaled to {_replicas(deployment)} by "
        f"{last_writer(deployment, 'spec', 'replicas')}.",
        "Find out who or what did that, then plan again.",
    )


def _check(params: ScaleWritersParams, objects: Objects) -> Pending | str:
    deployments, pods = objects
    for deployment in deployments:
        if not _reached(params, _replicas(deployment)):
            raise _scaled(params, deployment)
    running = [pod for pod in pods if not is_finished(pod)]
    if params.after == 0:
        names = sorted(map(name_of, running))
        if not names:
            return f"No pod of {params.deployment} is running any more."
        return Pending(summary=f"still running: {', '.join(names)}", progress=str(names))
    for pod in running:
        if not is_terminating(pod) and (reason := doomed_reason(pod)):
            raise PermanentError(
                f"Pod {name_of(pod)} cannot start: {reason}.",
                "Repair what it needs; the database is as it should be.",
            )
    ready = len(ready_names(running))
    if ready >= params.after:
        return f"{params.deployment} has {amount(ready, 'ready pod')}."
    return Pending(summary=f"{ready} of {params.after} pods are ready", progress=str(ready))
