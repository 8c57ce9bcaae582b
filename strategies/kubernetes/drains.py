"""The step that waits until pods which get no new requests have served their last one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from bot.config.catalog import ServiceEntry
from bot.domain.plan import Milestone, Step, StepSpec
from bot.domain.values import Facts
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
    labels: Mapping[str, str],
    name: str,
    release: str,
    timeout: float,
    expects: Facts | None = None,
) -> Step:
    """Counts what the pods serve where the catalog names their metrics; else it only waits.

    ``expects`` is what shows that they get no new requests; their own labels unless given.
    """
    metrics = service.pod_metrics
    counter = metrics and RequestCounter(
        port=metrics.port, path=metrics.path, name=metrics.requests, where=metrics.where
    )
    params = AwaitDrainParams(
        namespace=namespace,
        selector=dict(labels),
        colour=name,
        counter=counter,
        timeout_seconds=timeout,
        interval_seconds=min(_READING_SECONDS, timeout / 10),
    )
    return Step(
        title=f"Wait until {name} ({release}) serves no more requests",
        action=StepSpec(kind=AwaitDrain.name, params=params.model_dump(mode="json")),
        expects={"selector": dict(labels)} if expects is None else expects,
        inverse=None,
        command=_counting(params, counter) if counter else f"sleep {timeout:g}",
        estimate_seconds=min(_USUAL_SECONDS, timeout) if counter else timeout,
        changes=False,
        milestone=Milestone.DRAINED,
    )


def _counting(params: AwaitDrainParams, counter: RequestCounter) -> str:
    """The same readings in shell: until the counters stand still, or the time is over."""
    ask = for_each_pod(params.namespace, selector_text(params.selector), counter.port, counter.path)
    filters = [f"grep -E {shlex.quote('^' + re.escape(counter.name) + '[ {]')}"]
    filters += [
        f"grep -F {shlex.quote(f'{key}={chr(34)}{value}{chr(34)}')}"
        for key, value in sorted(counter.where.items())
    ]
    nothing = shlex.quote(f"not known: no pod is left, or none counts {counter}")
    script = (
        f"before=none; while now=$({ask} | {' | '.join(filters)}); "
        f'[ -n "$now" ] && [ "$now" != "$before" ]; '
        f"do before=$now; sleep {3 * params.interval_seconds:g}; done; "
        f'[ -n "$now" ] || echo {nothing}'
    )
    timeout = f"timeout {params.timeout_seconds:g} sh -c {shlex.quote(script)}"
    return f"{timeout} || echo 'still serving requests'"
