"""The HorizontalPodAutoscaler controller, after `pkg/controller/podautoscaler`.

At zero replicas it is switched off and never brings the workload back by itself.
"""

import math
from collections.abc import Callable
from datetime import timedelta

from sandbox.cluster.base.resources import DEPLOYMENTS, HPAS, REPLICASETS, STATEFULSETS
from sandbox.cluster.base.types import GVR, Manifest, rfc3339
from sandbox.cluster.controllers.access import Access
from sandbox.cluster.controllers.events import EventRecorder
from sandbox.cluster.controllers.manager import Key, KeysOf, own_key
from sandbox.cluster.controllers.objects import (
    desired_replicas,
    is_terminating,
    name_of,
    namespace_of,
    status_count,
)

MetricSource = Callable[[Manifest], float | None]
"""For an HPA: usage as a fraction of its target (1.0: as wanted), or None without data."""

_TARGETS = {"Deployment": DEPLOYMENTS, "ReplicaSet": REPLICASETS, "StatefulSet": STATEFULSETS}
# --horizontal-pod-autoscaler-tolerance
_TOLERANCE = 0.1


def no_metrics(_: Manifest) -> float | None:
    """A cluster without a metrics server."""
    return None


class HorizontalPodAutoscalerController:
    """Keeps the scale target within its limits and follows the metric. `period`: between looks."""

    def __init__(
        self,
        access: Access,
        events: EventRecorder,
        *,
        usage: MetricSource,
        period: timedelta,
    ) -> None:
        self._access, self._events = access, events
        self._usage, self._period = usage, period

    @property
    def watches(self) -> dict[GVR, KeysOf]:
        return {HPAS: own_key, **dict.fromkeys(_TARGETS.values(), self._of_target)}

    def _of_target(self, target: Manifest) -> list[Key]:
        """Upstream notices a change of scale at its next look; here at once."""
        return [
            Key(namespace=namespace_of(hpa), name=name_of(hpa))
            for hpa in self._access.find(HPAS, namespace_of(target))
            if hpa["spec"]["scaleTargetRef"]["name"] == name_of(target)
            and hpa["spec"]["scaleTargetRef"]["kind"] == target["kind"]
        ]

    def reconcile(self, key: Key) -> timedelta | None:
        hpa = self._access.get(HPAS, key.namespace, key.name)
        if hpa is None or is_terminating(hpa):
            return None
        reference = hpa["spec"]["scaleTargetRef"]
        gvr = _TARGETS.get(reference["kind"])
        target = self._access.get(gvr, key.namespace, reference["name"]) if gvr else None
        if gvr is None or target is None:
            found = f'{reference["kind"].lower()}s.apps "{reference["name"]}" not found'
            problem = ("AbleToScale", "False", "FailedGetScale", found)
            self._events.warning(hpa, "FailedGetScale", found)
            self._write(hpa, None, status_count(hpa, "desiredReplicas"), [problem])
            return self._period
        wanted, conditions = self._decide(hpa, target)
        current = desired_replicas(target)
        if wanted != current:
            self._scale(hpa, gvr, target, wanted)
        self._write(hpa, target, wanted, conditions)
        return self._period

    def _decide(
        self, hpa: Manifest, target: Manifest
    ) -> tuple[int, list[tuple[str, str, str, str]]]:
        """The wanted replicas and the conditions that say why."""
        current = desired_replicas(target)
        low, high = int(hpa["spec"].get("minReplicas", 1)), int(hpa["spec"]["maxReplicas"])
        able = ("AbleToScale", "True", "SucceededGetScale", _GOT_SCALE)
        if current == 0 and low != 0:
            return 0, [able, ("ScalingActive", "False", "ScalingDisabled", _DISABLED)]
        if current > high:
            return high, [able]
        if current < low:
            return low, [able]
        usage = self._usage(hpa)
        if usage is None:
            problem = "unable to get metrics: no metrics returned"
            self._events.warning(hpa, "FailedGetResourceMetric", problem)
            return current, [able, ("ScalingActive", "False", "FailedGetResourceMetric", problem)]
        wanted = current if abs(usage - 1) <= _TOLERANCE else math.ceil(current * usage)
        limited = min(max(wanted, low), high)
        reason = "DesiredWithinRange" if limited == wanted else "TooManyReplicas"
        if limited > wanted:
            reason = "TooFewReplicas"
        return limited, [
            able,
            ("ScalingActive", "True", "ValidMetricFound", _METRIC_FOUND),
            ("ScalingLimited", str(limited != wanted), reason, f"wanted {wanted} replicas"),
        ]

    def _scale(self, hpa: Manifest, gvr: GVR, target: Manifest, wanted: int) -> None:
        def change(obj: Manifest) -> None:
            obj["spec"]["replicas"] = wanted

        self._access.change(gvr, target, change)
        self._events.normal(hpa, "SuccessfulRescale", f"New size: {wanted}")

    def _write(
        self,
        hpa: Manifest,
        target: Manifest | None,
        wanted: int,
        conditions: list[tuple[str, str, str, str]],
    ) -> None:
        before = hpa.get("status") or {}
        now = rfc3339(self._access.now())
        known = {c["type"]: c for c in before.get("conditions") or []}
        for kind, status, reason, message in conditions:
            old = known.get(kind)
            same = old is not None and old["status"] == status
            known[kind] = {
                "type": kind,
                "status": status,
                "lastTransitionTime": old["lastTransitionTime"] if old and same else now,
                "reason": reason,
                "message": message,
            }
        status_now = {
            **before,
            "currentReplicas": status_count(target, "replicas") if target else 0,
            "desiredReplicas": wanted,
            "conditions": list(known.values()),
        }
        self._access.set_status(HPAS, hpa, status_now)


_GOT_SCALE = "the HPA controller was able to get the target's current scale"
_DISABLED = "scaling is disabled since the replica count of the target is zero"
_METRIC_FOUND = "the HPA was able to successfully calculate a replica count"
