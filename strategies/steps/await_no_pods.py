"""Step: wait until the last pod of the bad release has ended."""

from __future__ import annotations

from bot.domain.ownership import last_writer
from bot.domain.plan import Step
from bot.domain.rollouts import mark_on, own_pods, target_marks
from bot.domain.values import Facts, amount
from bot.domain.workloads import is_finished, is_ready, name_of
from bot.errors import WorldMovedError
from bot.ports.cluster import Manifest
from bot.ports.world import Observed, StepState, World
from strategies.kubernetes.selections import the_one
from strategies.steps.rollout import RolloutParams, has_template, moved, read, selections
from strategies.waiting import Objects, Pending, wait_until


class AwaitNoPodsParams(RolloutParams):
    """Whose pods must be gone; ``template`` is the bad one."""

    target: Facts | None = None
    """The template that comes next: its own pods may be there when this is looked at again.
    None when nothing comes next."""
    patience_seconds: float


class AwaitNoPods:
    """Counts pods, not replicas: a pod that is ending still holds its locks and connections."""

    name = "await-no-pods"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER when no pod is left; OTHER when somebody scaled up again."""
        params = AwaitNoPodsParams.model_validate(step.action.params)
        deployment = await read(params, world)
        objects = [
            await world.cluster.list(one.kind, one.namespace, labels=one.labels, fields=one.fields)
            for one in selections(params, deployment)
        ]
        try:
            verdict = _check(params, objects)
        except WorldMovedError as error:
            path = ("template",) if not _is_known(params, deployment) else ("replicas",)
            return Observed(
                state=StepState.OTHER,
                summary=error.what,
                changed_by=last_writer(deployment, "spec", *path),
            )
        if isinstance(verdict, str):
            return Observed(state=StepState.AFTER, summary=verdict)
        return Observed(state=StepState.BEFORE, summary=f"{verdict.summary}.")

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError naming the pods that do not end in time."""
        params = AwaitNoPodsParams.model_validate(step.action.params)
        deployment = await read(params, world)
        return await wait_until(
            world,
            selections(params, deployment),
            lambda objects: _check(params, objects),
            patience_seconds=params.patience_seconds,
        )


def _is_known(params: AwaitNoPodsParams, deployment: Manifest) -> bool:
    return has_template(deployment, params.template) or _is_past(params, deployment)


def _is_past(params: AwaitNoPodsParams, deployment: Manifest) -> bool:
    return params.target is not None and has_template(deployment, params.target)


def _check(params: AwaitNoPodsParams, objects: Objects) -> Pending | str:
    found, revisions, pods = objects
    deployment = the_one(found, params)
    if not _is_known(params, deployment):
        raise moved(params, deployment)
    running = [pod for pod in own_pods(pods, revisions, deployment) if not is_finished(pod)]
    if params.target is not None and has_template(deployment, params.target):
        marks = target_marks(revisions, deployment, params.target)
        running = [pod for pod in running if mark_on(pod) not in marks]
    elif deployment["spec"].get("replicas", 1) != 0:
        raise WorldMovedError(
            f"{params} was scaled up to {deployment['spec'].get('replicas', 1)} again by "
            f"{last_writer(deployment, 'spec', 'replicas')}.",
            "Find out what scales it, then plan again.",
        )
    if not running:
        return f"No pod of {params.release} is left."
    ready = sum(is_ready(pod) for pod in running)
    names = ", ".join(sorted(map(name_of, running)))
    left = amount(len(running), "pod")
    return Pending(
        summary=f"{left} of {params.release} still there ({names}), {ready} ready",
        progress=f"{len(running)} {ready}",
    )
