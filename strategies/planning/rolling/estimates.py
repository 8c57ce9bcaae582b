"""How long a rollout is expected to take, from its strategy and its pods."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from bot.domain.rollouts import kind_of, partition_of, update_strategy, wanted_pods
from bot.ports.cluster import Manifest

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
