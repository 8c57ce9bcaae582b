"""Setting status conditions the way each controller of upstream does."""

from datetime import datetime

from sandbox.cluster.base.types import Manifest, rfc3339


def condition(kind: str, *, status: str, reason: str, message: str, now: datetime) -> Manifest:
    """A new condition whose times are all `now`."""
    moment = rfc3339(now)
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": moment,
        "lastTransitionTime": moment,
        "reason": reason,
        "message": message,
    }


def find(conditions: list[Manifest], kind: str) -> Manifest | None:
    return next((c for c in conditions if c["type"] == kind), None)


def without(conditions: list[Manifest], kind: str) -> list[Manifest]:
    return [c for c in conditions if c["type"] != kind]


def with_condition(conditions: list[Manifest], new: Manifest) -> list[Manifest]:
    """`SetDeploymentCondition`: same status and reason change nothing, not even the times.

    The transition time moves only with the status.
    """
    current = find(conditions, new["type"])
    if current is not None and current["status"] == new["status"]:
        if current["reason"] == new["reason"]:
            return conditions
        new = {**new, "lastTransitionTime": current["lastTransitionTime"]}
    return [*without(conditions, new["type"]), new]
