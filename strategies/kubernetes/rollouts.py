"""Step: wait until a workload has rolled out its template."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import Manifest
from bot.clouds.kubernetes.ownership import FIELD_MANAGER, last_write, last_writer
from bot.clouds.kubernetes.rollouts import (
    deadline_exceeded_at,
    doomed_reason,
    is_ordered,
    is_partitioned_off,
    is_rolled_out,
    kind_of,
    mark_on,
    ordinal_of,
    own_pods,
    partition_of,
    progress_in,
    target_marks,
    update_strategy,
    wanted_pods,
)
from bot.clouds.kubernetes.workloads import (
    condition,
    is_ready,
    is_terminating,
    name_of,
    selector_of,
)
from bot.core.errors import PermanentError, WorldMovedError
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Milestone, Step, StepSpec
from strategies.common.commands import for_each_pod, kubectl
from strategies.common.waiting import Objects, Pending, wait_until
from strategies.kubernetes.pods import VerifyPods, VerifyPodsParams
from strategies.kubernetes.workload import (
    RolloutParams,
    existing,
    has_template,
    read,
    selections,
    without_template,
)

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


# Steps that wait for a workload's pods once its template has changed, there and back again.

_DEADLINE_MARGIN_SECONDS = 60.0
_DEFAULT_DEADLINE_SECONDS = 600


def version_port(service: ServiceEntry) -> int | None:
    """Where a pod tells its version; None when the catalog names no port or no path."""
    if not service.version_path:
        return None
    return service.instance_port or (service.pod_metrics.port if service.pod_metrics else None)


def undone(workload: Manifest, old: RolloutParams) -> RolloutParams | None:
    """What an undo waits for; None where it cannot.

    A paused Deployment is paused again by the undo and then rolls nothing out.
    """
    return None if workload["spec"].get("paused") else old


def await_rollout_step(
    there: RolloutParams, back: RolloutParams | None, *, workload: Manifest, seconds: float
) -> Step:
    """All pods are those of the target; an undo waits for all pods of the release before it."""
    deadline = workload["spec"].get("progressDeadlineSeconds", _DEFAULT_DEADLINE_SECONDS)
    order = ", from the highest ordinal down" if is_ordered(workload) else ""

    def waiting(params: RolloutParams) -> StepSpec:
        more = {"patience_seconds": deadline + _DEADLINE_MARGIN_SECONDS}
        whole = AwaitRolloutParams.model_validate({**params.model_dump(), **more})
        return StepSpec(kind=AwaitRollout.name, params=whole.model_dump(mode="json"))

    return _both_ways(
        there,
        back,
        waiting,
        title=f"Wait until all pods of {there.workload} are those of {there.release}{order}",
        command=kubectl(
            there.namespace, "rollout", "status", f"{there.kind.lower()}/{there.workload}"
        ),
        seconds=seconds,
        milestone=Milestone.SWITCHED,
    )


def verify_pods_step(
    there: RolloutParams,
    back: RolloutParams | None,
    *,
    service: ServiceEntry,
    workload: Manifest,
    patience: float,
    seconds: float,
) -> Step:
    """Only ready pods of the target are left, and each says so; an undo checks the same."""
    path, port = service.version_path or "", version_port(service)
    labels = selector_of(workload)
    command = (
        kubectl(there.namespace, "get", "pods", "-l", labels, "-o", "wide")
        if port is None
        else for_each_pod(there.namespace, labels, port, path)
    )

    def checking(params: RolloutParams) -> StepSpec:
        more = {"port": port, "path": path, "patience_seconds": patience}
        whole = VerifyPodsParams.model_validate({**params.model_dump(), **more})
        return StepSpec(kind=VerifyPods.name, params=whole.model_dump(mode="json"))

    return _both_ways(
        there,
        back,
        checking,
        title=f"Verify that the old pods are gone and every pod is {there.release}",
        command=command,
        seconds=seconds,
        milestone=Milestone.DRAINED,
    )


def _both_ways(
    there: RolloutParams,
    back: RolloutParams | None,
    spec: Callable[[RolloutParams], StepSpec],
    *,
    title: str,
    command: str,
    seconds: float,
    milestone: Milestone,
) -> Step:
    """The same wait for either template; the command looks at whichever is live."""
    inverse = spec(back).model_copy(update={"command": command}) if back else None
    return Step(
        title=title,
        action=spec(there),
        expects={"template": there.template},
        inverse=inverse,
        command=command,
        estimate_seconds=seconds,
        changes=False,
        milestone=milestone,
    )


# How long a rollout is expected to take, from its strategy and its pods.

_START_SECONDS = 10.0
"""For a pod to be scheduled and started from an image that the nodes have already."""
_DEFAULT_GRACE_SECONDS = 30.0


def rollout_seconds(workload: Manifest, template: Mapping[str, Any]) -> float:
    """Waves of pods, each as long as a pod takes to start and stay ready."""
    spec = workload["spec"]
    delays = [
        (container.get("readinessProbe") or {}).get("initialDelaySeconds", 0)
        for container in template["spec"].get("containers") or []
    ]
    each = _START_SECONDS + max(delays, default=0) + spec.get("minReadySeconds", 0)
    if recreates(workload):
        return float(each + grace_seconds(template))
    pods = max(0, wanted_pods(workload) - partition_of(workload))
    return float(each * max(1, math.ceil(pods / _at_once(workload, pods))))


def recreates(workload: Manifest) -> bool:
    """Whether all old pods stop before the first new one starts."""
    return kind_of(workload) == "Deployment" and update_strategy(workload) == "Recreate"


def grace_seconds(template: Mapping[str, Any]) -> float:
    """How long a pod may take to end."""
    return float(template["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS))


def _at_once(workload: Manifest, pods: int) -> int:
    """Pods that may start together: surge and unavailable, rounded as the controllers do."""
    spec = workload["spec"]
    if kind_of(workload) == "StatefulSet":
        return 1
    if kind_of(workload) == "DaemonSet":
        rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
        unavailable = _share(rolling.get("maxUnavailable", 1), pods, math.ceil)
        return max(1, unavailable + _share(rolling.get("maxSurge", 0), pods, math.ceil))
    rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", "25%"), pods, math.ceil)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), pods, math.floor)
    return max(1, surge + unavailable)


def _share(value: object, pods: int, rounding: Callable[[float], int]) -> int:
    text = str(value)
    return rounding(int(text[:-1]) * pods / 100) if text.endswith("%") else int(text)
