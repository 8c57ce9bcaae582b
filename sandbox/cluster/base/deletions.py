"""The options of a DELETE."""

from __future__ import annotations

from typing import Any

from sandbox.cluster.base.calls import Call
from sandbox.cluster.base.errors import bad_request
from sandbox.cluster.base.requests import flag, number
from sandbox.cluster.base.store import Propagation
from sandbox.cluster.base.types import Manifest

_PROPAGATIONS: tuple[Propagation, ...] = ("Background", "Foreground", "Orphan")


def delete_options(call: Call) -> dict[str, Any]:
    """What `ObjectStore.delete` is to do, from the DeleteOptions in the body and the query."""
    options: Manifest = call.json() if call.body else {}
    propagation = options.get("propagationPolicy") or call.query.get("propagationPolicy")
    orphan = options.get("orphanDependents", flag(call.query, "orphanDependents") or None)
    grace = options.get("gracePeriodSeconds")
    chosen: Propagation = "Orphan" if call.resource.orphan_by_default else "Background"
    if orphan is not None:
        chosen = "Orphan" if orphan else "Background"
    if propagation:
        if propagation not in _PROPAGATIONS:
            raise bad_request(f'invalid propagationPolicy: "{propagation}"')
        chosen = _PROPAGATIONS[_PROPAGATIONS.index(propagation)]
    return {
        "propagation": chosen,
        "preconditions": options.get("preconditions"),
        "grace_period_seconds": (
            grace if grace is not None else number(call.query, "gracePeriodSeconds")
        ),
        "dry_run": call.dry_run or "All" in (options.get("dryRun") or []),
    }
