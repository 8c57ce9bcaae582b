"""How long a rollout is expected to take, from its strategy and its pods."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from bot.ports.cluster import Manifest

_START_SECONDS = 10.0
"""For a pod to be scheduled and started from an image that the nodes have already."""
_DEFAULT_GRACE_SECONDS = 30.0


def rollout_seconds(deployment: Manifest, template: Mapping[str, Any]) -> float:
    """Waves of pods, each as long as a pod takes to start and stay ready."""
    spec = deployment["spec"]
    replicas = spec.get("replicas", 1)
    delays = [
        (container.get("readinessProbe") or {}).get("initialDelaySeconds", 0)
        for container in template["spec"].get("containers") or []
    ]
    each = _START_SECONDS + max(delays, default=0) + spec.get("minReadySeconds", 0)
    if recreates(deployment):
        return float(each + grace_seconds(template))
    return float(each * max(1, math.ceil(replicas / _at_once(deployment, replicas))))


def recreates(deployment: Manifest) -> bool:
    """Whether all old pods stop before the first new one starts."""
    return (deployment["spec"].get("strategy") or {}).get("type") == "Recreate"


def grace_seconds(template: Mapping[str, Any]) -> float:
    """How long a pod may take to end."""
    return float(template["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS))


def _at_once(deployment: Manifest, replicas: int) -> int:
    """Pods that may start together: surge and unavailable, rounded as the controller does."""
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", "25%"), replicas, math.ceil)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), replicas, math.floor)
    return max(1, surge + unavailable)


def _share(value: object, replicas: int, rounding: Callable[[float], int]) -> int:
    text = str(value)
    return rounding(int(text[:-1]) * replicas / 100) if text.endswith("%") else int(text)
