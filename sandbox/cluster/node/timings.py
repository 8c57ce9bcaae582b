"""How long things take on a node."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class KubeletTimings:
    """Durations in real seconds; the defaults are those of a quick real cluster.

    `second` is how long one second of a pod's specification lasts here (probe periods, grace
    periods, preStop sleeps), so that a test can use the manifests of production.
    """

    second: float = 1.0
    image_pull: float = 1.0
    container_start: float = 0.3
    # https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
    backoff_initial: float = 10.0
    backoff_max: float = 300.0
    config_retry: float = 2.0


DEMO = KubeletTimings(image_pull=0.4, container_start=0.2, backoff_initial=4.0, backoff_max=30.0)
"""A cluster whose rollouts take seconds."""

QUICK = KubeletTimings(
    second=0.04,
    image_pull=0.005,
    container_start=0.005,
    backoff_initial=0.05,
    backoff_max=0.4,
    config_retry=0.02,
)
"""A cluster whose rollouts take tens of milliseconds."""


class Backoff:
    """The growing delay between restarts or pulls, as `flowcontrol.Backoff` in the kubelet."""

    def __init__(self, timings: KubeletTimings, *, immediate_first: bool) -> None:
        self._initial = timings.backoff_initial
        self._max = timings.backoff_max
        self._immediate_first = immediate_first
        self._next = 0.0 if immediate_first else self._initial

    def next_delay(self) -> float:
        """Seconds to wait before the next attempt."""
        delay = self._next
        self._next = min(self._max, delay * 2) if delay else self._initial
        return delay

    def reset_after(self, ran_for: float) -> None:
        """A container that ran for twice the longest delay starts afresh."""
        if ran_for >= 2 * self._max:
            self._next = 0.0 if self._immediate_first else self._initial
