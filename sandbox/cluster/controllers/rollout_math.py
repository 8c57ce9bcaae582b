"""The arithmetic of a Deployment's rollout, as in `deployment/util/deployment_util.go`."""

import math
from collections.abc import Iterable, Sequence

from sandbox.cluster.base.types import Manifest
from sandbox.cluster.controllers.objects import (
    MAX_INT32,
    annotations_of,
    created_before,
    desired_replicas,
    status_count,
)

DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"


def is_rolling_update(deployment: Manifest) -> bool:
    strategy = deployment["spec"].get("strategy") or {}
    return bool(strategy.get("type", "RollingUpdate") == "RollingUpdate")


def scaled_value(value: int | str, total: int, *, round_up: bool) -> int:
    """`intstr.GetScaledValueFromIntOrPercent`."""
    if isinstance(value, int):
        return value
    percent = int(value.removesuffix("%"))
    return math.ceil(percent * total / 100) if round_up else percent * total // 100


def fenceposts(deployment: Manifest) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods: surge rounds up, unavailable down, never both 0."""
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    total = desired_replicas(deployment)
    surge = scaled_value(rolling.get("maxSurge", "25%"), total, round_up=True)
    unavailable = scaled_value(rolling.get("maxUnavailable", "25%"), total, round_up=False)
    if surge == 0 and unavailable == 0:
        # Neither would ever move; upstream lets one pod be missing then.
        unavailable = 1
    return surge, unavailable


def max_surge(deployment: Manifest) -> int:
    return fenceposts(deployment)[0] if is_rolling_update(deployment) else 0


def max_unavailable(deployment: Manifest) -> int:
    replicas = desired_replicas(deployment)
    if not is_rolling_update(deployment) or replicas == 0:
        return 0
    return min(fenceposts(deployment)[1], replicas)


def total_desired(replicasets: Iterable[Manifest]) -> int:
    return sum(desired_replicas(rs) for rs in replicasets)


def total_status(replicasets: Iterable[Manifest], field: str) -> int:
    return sum(status_count(rs, field) for rs in replicasets)


def active(replicasets: Iterable[Manifest]) -> list[Manifest]:
    """`FilterActiveReplicaSets`: those that ought to have pods."""
    return [rs for rs in replicasets if desired_replicas(rs) > 0]


def new_replicaset_size(deployment: Manifest, everything: Sequence[Manifest], new: Manifest) -> int:
    """`NewRSNewReplicas`: how far the new ReplicaSet may grow now."""
    wanted, size = desired_replicas(deployment), desired_replicas(new)
    if not is_rolling_update(deployment):
        return wanted
    room = wanted + max_surge(deployment) - total_desired(everything)
    return size + min(room, wanted - size) if room > 0 else size


def annotated(replicaset: Manifest, key: str) -> int | None:
    value = annotations_of(replicaset).get(key)
    return int(value) if value is not None else None


def is_saturated(deployment: Manifest, new: Manifest | None) -> bool:
    """`IsSaturated`: the new ReplicaSet carries the whole Deployment."""
    if new is None:
        return False
    wanted = desired_replicas(deployment)
    return (
        desired_replicas(new) == wanted
        and annotated(new, DESIRED_REPLICAS) == wanted
        and status_count(new, "availableReplicas") == wanted
    )


def is_scaling(deployment: Manifest, replicasets: Iterable[Manifest]) -> bool:
    """`isScalingEvent`: someone changed `spec.replicas` since these were last sized."""
    wanted = desired_replicas(deployment)
    recorded = (annotated(rs, DESIRED_REPLICAS) for rs in active(replicasets))
    return any(size is not None and size != wanted for size in recorded)


def active_or_latest(new: Manifest | None, old: Sequence[Manifest]) -> Manifest | None:
    """`FindActiveOrLatest`: the one ReplicaSet to scale, or None when several are active."""
    running = active([*old, *([new] if new else [])])
    if len(running) > 1:
        return None
    if running:
        return running[0]
    if new is not None:
        return new
    return max(old, key=created_before) if old else None


def proportional_sizes(
    deployment: Manifest, replicasets: Iterable[Manifest]
) -> list[tuple[Manifest, int]]:
    """Sizes for several active ReplicaSets after a change of scale, in proportion to theirs.

    `dc.scale`: larger ones first, then newer ones when growing and older ones when shrinking;
    what rounding leaves over goes to the first.
    """
    running = active(replicasets)
    wanted = desired_replicas(deployment)
    allowed = wanted + max_surge(deployment) if wanted > 0 else 0
    to_add = allowed - total_desired(running)
    # Sorting is stable: the second key first.
    running.sort(key=created_before, reverse=to_add > 0)
    running.sort(key=desired_replicas, reverse=True)
    added = 0
    sizes = []
    for rs in running:
        share = _proportion(rs, deployment, to_add, added)
        added += share
        sizes.append((rs, desired_replicas(rs) + share))
    if sizes and to_add:
        first, size = sizes[0]
        sizes[0] = (first, max(0, size + to_add - added))
    return sizes


def _proportion(replicaset: Manifest, deployment: Manifest, to_add: int, added: int) -> int:
    """`GetProportion`."""
    if desired_replicas(replicaset) == 0 or to_add in (0, added):
        return 0
    fraction = _fraction(replicaset, deployment)
    left = to_add - added
    return min(fraction, left) if to_add > 0 else max(fraction, left)


def _fraction(replicaset: Manifest, deployment: Manifest) -> int:
    """`getReplicaSetFraction`: how much this ReplicaSet grows with the whole."""
    size, wanted = desired_replicas(replicaset), desired_replicas(deployment)
    if wanted == 0:
        return -size
    before = annotated(replicaset, MAX_REPLICAS) or status_count(deployment, "replicas")
    if before == 0:
        return 0
    return math.floor(size * (wanted + max_surge(deployment)) / before + 0.5) - size


def deadline_seconds(deployment: Manifest) -> int | None:
    """`progressDeadlineSeconds`, or None for "no deadline" (`HasProgressDeadline`)."""
    value = deployment["spec"].get("progressDeadlineSeconds", 600)
    return None if value is None or value == MAX_INT32 else int(value)


def history_limit(obj: Manifest) -> int:
    value = obj["spec"].get("revisionHistoryLimit")
    return 10 if value is None else int(value)
