"""Step: every pod is the target's, ready, and says so itself."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.plan import Step
from bot.domain.rollouts import (
    is_partitioned_off,
    mark_on,
    own_pods,
    partition_of,
    target_marks,
    wanted_pods,
)
from bot.domain.values import spoken
from bot.domain.workloads import is_finished, is_ready, name_of
from bot.errors import PermanentError
from bot.ports.cluster import Manifest
from bot.ports.world import Observed, StepState, World
from strategies.kubernetes.probing import wrong_versions
from strategies.steps.rollout import (
    RolloutParams,
    existing,
    has_template,
    moved,
    read,
    selections,
    without_template,
)
from strategies.waiting import Objects, Pending, wait_until

_PAUSE_SECONDS = 0.5


class VerifyPodsParams(RolloutParams):
    """Where each pod tells its version; without a port nobody asks."""

    port: int | None
    path: str
    patience_seconds: float


class VerifyPods:
    """Waits until only ready pods of the target are left, then asks each; changes nothing."""

    name = "verify-pods"

    async def observe(self, step: Step, world: World) -> Observed:
        """BEFORE: what pods answer must be asked anew each time; OTHER for another template."""
        params = VerifyPodsParams.model_validate(step.action.params)
        workload = await read(params, world)
        if not has_template(workload, params.template):
            return without_template(params, workload)
        return Observed(
            state=StepState.BEFORE, summary=f"The pods of {params.workload} are to be asked."
        )

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError naming the pods that are not right in time."""
        params = VerifyPodsParams.model_validate(step.action.params)
        deadline = world.clock.now() + timedelta(seconds=params.patience_seconds)
        while True:
            workload = await read(params, world)
            if not has_template(workload, params.template):
                raise moved(params, workload)
            names = await self._settled(params, workload, world)
            if not names:
                return f"{params} stands at 0 replicas: no pod is left, and none could be asked."
            if params.port is None:
                return (
                    f"{_counted(names)} ready and of the target's revision. The catalog names "
                    "no port or path for versions, so the pods were not asked for their version."
                )
            wrong = await wrong_versions(
                world,
                params.namespace,
                names,
                port=params.port,
                path=params.path,
                release=params.release,
            )
            if not wrong:
                return f"{_counted(names)} ready and answer with {params.release}."
            if world.clock.now() >= deadline:
                told = "; ".join(f"{pod} {text}" for pod, text in sorted(wrong.items()))
                raise PermanentError(
                    f"Not every pod is {params.release} after {spoken(params.patience_seconds)}: "
                    f"{told}.",
                    "Check the version endpoint and the image behind the tag.",
                )
            await world.clock.sleep(_PAUSE_SECONDS)

    @staticmethod
    async def _settled(
        params: VerifyPodsParams, workload: Manifest, world: World
    ) -> tuple[str, ...]:
        """Names of the pods once none but the target's are left and all are ready."""
        settled: list[str] = []

        def check(objects: Objects) -> Pending | str:
            found, revisions, pods = objects
            live = existing(params, found)
            marks = target_marks(revisions, live, params.template)
            running = [
                pod
                for pod in own_pods(pods, revisions, live)
                if not is_finished(pod) and not is_partitioned_off(pod, live)
            ]
            old = [name_of(pod) for pod in running if mark_on(pod) not in marks]
            unready = [
                name_of(pod) for pod in running if mark_on(pod) in marks and not is_ready(pod)
            ]
            if old or unready:
                return Pending(
                    summary=f"old pods still there: {', '.join(old) or 'none'}; "
                    f"not ready: {', '.join(unready) or 'none'}",
                    progress=f"{sorted(old)} {sorted(unready)}",
                )
            wanted = wanted_pods(live) - partition_of(live)
            if len(running) < wanted:
                return Pending(
                    summary=f"{len(running)} of {wanted} pods are there",
                    progress=str(len(running)),
                )
            settled[:] = sorted(name_of(pod) for pod in running)
            return "settled"

        await wait_until(
            world,
            selections(params, workload),
            check,
            patience_seconds=params.patience_seconds,
        )
        return tuple(settled)


def _counted(names: tuple[str, ...]) -> str:
    return f"All {len(names)} pods are" if len(names) != 1 else "The pod is"
