"""Step: delete the broken pods behind which an OrderedReady StatefulSet stays stuck.

The controller waits until each pod is ready before it replaces the next one, and so it never
replaces a broken one, even after its template was reverted ("Forced rollback" in
https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/).
"""

from __future__ import annotations

from bot.clouds.kubernetes.objects import PODS, Manifest
from bot.clouds.kubernetes.rollouts import is_partitioned_off, mark_on, ordinal_of, own_pods
from bot.clouds.kubernetes.workloads import is_ready, is_terminating, name_of, selector_of
from bot.core.errors import NotFoundError, PermanentError, WorldMovedError
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Step
from strategies.common.waiting import Objects, Pending, wait_until
from strategies.kubernetes.workload import (
    RolloutParams,
    existing,
    has_template,
    moved,
    read,
    selections,
    without_template,
)


class DeleteBrokenPodsParams(RolloutParams):
    """Which pods may go: those of these revisions that are not ready, and no others."""

    revisions: tuple[str, ...]
    """Values of the label ``controller-revision-hash`` of every revision but the target's."""
    patience_seconds: float


class DeleteBrokenPods:
    """Deletes each broken pod once, the highest ordinal first; its controller makes a new one."""

    name = "delete-broken-pods"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER when no pod of those revisions is broken."""
        params = DeleteBrokenPodsParams.model_validate(step.action.params)
        workload = await read(params, world)
        if not has_template(workload, params.template):
            return without_template(params, workload, so=": its pods would come back as they are")
        names = [name_of(pod) for pod in await _broken(params, workload, world)]
        if names:
            summary = f"Not ready and holding the rollout up: {', '.join(names)}."
            return Observed(state=StepState.BEFORE, summary=summary, facts={"pods": list(names)})
        return Observed(state=StepState.AFTER, summary=f"No broken pod holds {params.workload} up.")

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError when the template is no longer the target's."""
        params = DeleteBrokenPodsParams.model_validate(step.action.params)
        workload = await read(params, world)
        if not has_template(workload, params.template):
            raise moved(params, workload)
        for pod in await _broken(params, workload, world):
            try:
                uid = str(pod["metadata"]["uid"])
                await world.cluster.delete(PODS, params.namespace, name_of(pod), uid=uid)
            except (NotFoundError, WorldMovedError):
                continue  # this very pod is gone already, which is all that is wanted

    async def confirm(self, step: Step, world: World) -> str:
        """Wait until the broken pods are gone.

        Raises PermanentError naming those that do not end, WorldMovedError when the template is
        replaced.
        """
        params = DeleteBrokenPodsParams.model_validate(step.action.params)
        workload = await read(params, world)

        def check(objects: Objects) -> Pending | str:
            found, _, pods = objects
            live = existing(params, found)
            left = [name_of(pod) for pod in own_pods(pods, (), live) if _stuck(params, live, pod)]
            if not left:
                return f"No broken pod holds {params.workload} up any more."
            return Pending(summary=f"still there: {', '.join(left)}", progress=str(left))

        try:
            return await wait_until(
                world,
                selections(params, workload),
                check,
                patience_seconds=params.patience_seconds,
            )
        except WorldMovedError:
            raise
        except PermanentError as error:
            raise PermanentError(
                error.what,
                "Look at the node of the pod; a pod of a lost node must be deleted by force.",
            ) from error


async def _broken(
    params: DeleteBrokenPodsParams, workload: Manifest, world: World
) -> list[Manifest]:
    """Broken pods that are not on their way out yet, the highest ordinal first."""
    pods = await world.cluster.list(PODS, params.namespace, labels=selector_of(workload))
    stuck = [
        pod
        for pod in own_pods(pods, (), workload)
        if _stuck(params, workload, pod) and not is_terminating(pod)
    ]
    return sorted(stuck, key=ordinal_of, reverse=True)


def _stuck(params: DeleteBrokenPodsParams, workload: Manifest, pod: Manifest) -> bool:
    """Of another revision and not ready, and not kept there by the partition."""
    return (
        mark_on(pod) in params.revisions
        and not is_ready(pod)
        and not is_partitioned_off(pod, workload)
    )
