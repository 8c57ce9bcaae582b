"""Step: wait until a workload has rolled out its template."""

from __future__ import annotations

from datetime import datetime

from bot.domain.ownership import FIELD_MANAGER, last_write, last_writer
from bot.domain.plan import Step
from bot.domain.revisions import deadline_exceeded_at, doomed_reason
from bot.domain.rollouts import (
    is_ordered,
    is_partitioned_off,
    is_rolled_out,
    mark_on,
    ordinal_of,
    own_pods,
    partition_of,
    progress_in,
    target_marks,
    wanted_pods,
)
from bot.domain.workloads import condition, is_ready, is_terminating, name_of
from bot.errors import PermanentError, WorldMovedError
from bot.ports.cluster import Manifest
from bot.ports.world import Observed, StepState, World
from strategies.steps.rollout import (
    RolloutParams,
    existing,
    has_template,
    read,
    selections,
    without_template,
)
from strategies.waiting import Objects, Pending, wait_until

_REFUSED_SECONDS = 60.0
"""Pods that may not be made: a quota or a policy does not give way by itself, but an old pod that
ends may make room, and a webhook may come back."""


class AwaitRolloutParams(RolloutParams):
    """How long nothing may happen before the wait is given up."""

    patience_seconds: float


class AwaitRollout:
    """Follows a rollout by watches and gives up at the first pod that cannot start."""

    name = "await-rollout"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER when the rollout of the target template is complete."""
        params = AwaitRolloutParams.model_validate(step.action.params)
        workload = await read(params, world)
        if not has_template(workload, params.template):
            return without_template(params, workload)
        if workload["spec"].get("paused"):
            return Observed(
                state=StepState.OTHER,
                summary=_paused(params).what,
                changed_by=last_writer(workload, "spec", "paused"),
            )
        state = StepState.AFTER if is_rolled_out(workload) else StepState.BEFORE
        return Observed(state=state, summary=f"{params.workload}: {progress_in(workload)}.")

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError with the reason as soon as the rollout cannot succeed."""
        params = AwaitRolloutParams.model_validate(step.action.params)
        workload = await read(params, world)
        write = last_write(workload, "spec", "template", manager=FIELD_MANAGER)
        # The API server's own time of our patch where it is recorded: clocks may differ.
        patched_at = write.at if write and write.at else world.clock.now()
        back: list[str] = []
        return await wait_until(
            world,
            selections(params, workload),
            lambda objects: _check(params, objects, patched_at, back),
            patience_seconds=params.patience_seconds,
        )


def _check(
    params: AwaitRolloutParams, objects: Objects, patched_at: datetime, back: list[str]
) -> Pending | str:
    """``back`` collects the names of the pods in the order in which they came back."""
    found, revisions, pods = objects
    workload = existing(params, found)
    marks = target_marks(revisions, workload, params.template)
    mine = own_pods(pods, revisions, workload)
    target = [pod for pod in mine if mark_on(pod) in marks]
    ready = sorted(filter(is_ready, target), key=ordinal_of, reverse=True)
    back.extend(name_of(pod) for pod in ready if name_of(pod) not in back)
    if workload["spec"].get("paused"):
        raise _paused(params, by=last_writer(workload, "spec", "paused"))
    if is_rolled_out(workload):
        return _done(params, workload, back)
    _give_up_on_doomed(params, target)
    if is_ordered(workload):
        _give_up_behind_broken(workload, [pod for pod in mine if pod not in target])
    exceeded = deadline_exceeded_at(workload)
    if exceeded is not None and exceeded > patched_at:
        raise PermanentError(
            f"The rollout of {params.workload} exceeded its progress deadline "
            f"({progress_in(workload)}).",
            "Look at the pods' events: resources, quotas and readiness probes.",
        )
    summary = f"{params.workload}: {progress_in(workload)}"
    failure = condition(workload, "ReplicaFailure")
    refused = failure.get("status") == "True"
    if refused:
        summary += f"; {failure.get('message')}"
    # The controller's count of available pods lags behind readiness by minReadySeconds.
    return Pending(
        summary=summary,
        progress=f"{progress_in(workload)} {len(ready)} {len(pods)}",
        patience_seconds=_REFUSED_SECONDS if refused else None,
    )


def _paused(params: AwaitRolloutParams, *, by: str = "") -> WorldMovedError:
    """A paused Deployment would be waited for in vain."""
    who = f" by {by}" if by else ""
    return WorldMovedError(
        f"{params} was paused{who}: its pods do not follow its template.", "Plan again."
    )


def _done(params: AwaitRolloutParams, workload: Manifest, back: list[str]) -> str:
    partition = partition_of(workload)
    count = wanted_pods(workload) - partition
    above = f" from partition {partition} on" if partition else ""
    order = f", in the order {', '.join(back)}" if is_ordered(workload) and back else ""
    whole, runs = (f"All {count} pods", "run") if count != 1 else ("The one pod", "runs")
    return f"{whole} of {params.workload}{above} {runs} {params.release}{order}."


def _give_up_on_doomed(params: AwaitRolloutParams, target: list[Manifest]) -> None:
    for pod in target:
        reason = "" if is_terminating(pod) else doomed_reason(pod)
        if reason:
            raise PermanentError(
                f"Pod {name_of(pod)} of {params.release} cannot start: {reason}.",
                "Repair what it needs, or choose another release.",
            )


def _give_up_behind_broken(workload: Manifest, old: list[Manifest]) -> None:
    """An OrderedReady StatefulSet waits for a broken pod for ever, also after the revert."""
    for pod in old:
        reason = "" if is_terminating(pod) else doomed_reason(pod)
        if reason and not is_partitioned_off(pod, workload):
            raise PermanentError(
                f"Pod {name_of(pod)} of another revision is broken ({reason}) and holds the "
                "rollout up.",
                f"Delete it: kubectl -n {pod['metadata']['namespace']} delete pod {name_of(pod)}",
            )
