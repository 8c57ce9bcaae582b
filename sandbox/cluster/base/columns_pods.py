"""What `kubectl get pods` shows: `printPod` of kubernetes `pkg/printers/internalversion`."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.base.columns import AGE, NAME, NONE, Column, spec, status, text
from sandbox.cluster.base.durations import age
from sandbox.cluster.base.types import Manifest


def _container_statuses(pod: Manifest) -> list[Manifest]:
    found: list[Manifest] = status(pod).get("containerStatuses") or []
    return found


def _ready(pod: Manifest) -> str:
    ready = sum(
        bool(each.get("ready") and "running" in (each.get("state") or {}))
        for each in _container_statuses(pod)
    )
    return f"{ready}/{len(spec(pod).get('containers') or [])}"


def pod_status(pod: Manifest) -> str:
    """The STATUS column: why the pod is not simply running, if anything is known."""
    reason = str(status(pod).get("reason") or status(pod).get("phase") or "Unknown")
    reason = _init_reason(pod) or _containers_reason(pod, reason)
    if "deletionTimestamp" in pod["metadata"]:
        return "Unknown" if status(pod).get("reason") == "NodeLost" else "Terminating"
    return reason


def _init_reason(pod: Manifest) -> str:
    statuses = status(pod).get("initContainerStatuses") or []
    total = len(spec(pod).get("initContainers") or [])
    for at, each in enumerate(statuses):
        state = each.get("state") or {}
        ended = state.get("terminated")
        if ended is not None and ended.get("exitCode", 0) == 0:
            continue
        if ended is not None:
            return f"Init:{ended.get('reason') or _ending(ended)}"
        waiting = (state.get("waiting") or {}).get("reason", "")
        if waiting and waiting != "PodInitializing":
            return f"Init:{waiting}"
        return f"Init:{at}/{total}"
    return ""


def _containers_reason(pod: Manifest, reason: str) -> str:
    running = False
    for each in reversed(_container_statuses(pod)):
        state = each.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended is not None:
            reason = ended.get("reason") or _ending(ended)
        elif each.get("ready") and "running" in state:
            running = True
    if reason == "Completed" and running:
        conditions = status(pod).get("conditions") or []
        ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
        return "Running" if ready else "NotReady"
    return reason


def _ending(ended: Manifest) -> str:
    if ended.get("signal"):
        return f"Signal:{ended['signal']}"
    return f"ExitCode:{ended.get('exitCode', 0)}"


def _restarts(pod: Manifest, now: datetime) -> str:
    total = sum(each.get("restartCount", 0) for each in _container_statuses(pod))
    ends = [
        ended["finishedAt"]
        for each in _container_statuses(pod)
        if (ended := (each.get("lastState") or {}).get("terminated")) and ended.get("finishedAt")
    ]
    if total and ends:
        return f"{total} ({age(max(ends), now)} ago)"
    return str(total)


def _readiness_gates(pod: Manifest) -> str:
    gates = spec(pod).get("readinessGates") or []
    if not gates:
        return NONE
    true = {c["type"] for c in status(pod).get("conditions") or [] if c.get("status") == "True"}
    return f"{sum(gate['conditionType'] in true for gate in gates)}/{len(gates)}"


POD_COLUMNS = (
    NAME,
    text("Ready", _ready),
    text("Status", pod_status),
    Column(name="Restarts", cell=_restarts),
    AGE,
    text("IP", lambda pod: status(pod).get("podIP") or NONE, wide=True),
    text("Node", lambda pod: spec(pod).get("nodeName") or NONE, wide=True),
    text("Nominated Node", lambda pod: status(pod).get("nominatedNodeName") or NONE, wide=True),
    text("Readiness Gates", _readiness_gates, wide=True),
)
