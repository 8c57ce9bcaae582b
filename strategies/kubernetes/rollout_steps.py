"""Steps that wait for a workload's pods once its template has changed, there and back again."""

from __future__ import annotations

from collections.abc import Callable

from bot.config.catalog import ServiceEntry
from bot.domain.plan import Milestone, Step, StepSpec
from bot.domain.rollouts import is_ordered
from bot.domain.workloads import selector_of
from bot.ports.cluster import Manifest
from strategies.commands import for_each_pod, kubectl
from strategies.steps.await_rollout import AwaitRollout, AwaitRolloutParams
from strategies.steps.rollout import RolloutParams
from strategies.steps.verify_pods import VerifyPods, VerifyPodsParams

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
