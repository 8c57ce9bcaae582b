"""The step that waits until pods which get no new requests have served their last one."""

from __future__ import annotations

from bot.config.catalog import ServiceEntry
from bot.domain.plan import Milestone, Step, StepSpec
from bot.domain.workloads import selector_text
from strategies.commands import for_each_pod
from strategies.kubernetes.probing import RequestCounter
from strategies.steps.await_drain import AwaitDrain, AwaitDrainParams

_READING_SECONDS = 1.0
_USUAL_SECONDS = 10.0


def drain_step(
    service: ServiceEntry,
    namespace: str,
    *,
    labels: dict[str, str],
    name: str,
    release: str,
    timeout: float,
) -> Step:
    """Counts what the pods serve where the catalog names their metrics; else it only waits."""
    metrics = service.pod_metrics
    counter = metrics and RequestCounter(
        port=metrics.port, path=metrics.path, name=metrics.requests, where=metrics.where
    )
    params = AwaitDrainParams(
        namespace=namespace,
        selector=labels,
        colour=name,
        counter=counter,
        timeout_seconds=timeout,
        interval_seconds=min(_READING_SECONDS, timeout / 10),
    )
    asked = (
        for_each_pod(namespace, selector_text(labels), counter.port, counter.path)
        if counter
        else ""
    )
    return Step(
        title=f"Wait until {name} ({release}) serves no more requests",
        action=StepSpec(kind=AwaitDrain.name, params=params.model_dump(mode="json")),
        expects={"selector": dict(labels)},
        inverse=None,
        command=f"sleep {timeout:g}" + (f"; {asked}" if asked else ""),
        estimate_seconds=min(_USUAL_SECONDS, timeout) if counter else timeout,
        changes=False,
        milestone=Milestone.DRAINED,
    )
