"""The step that waits until pods which get no new requests have served their last one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from datetime import timedelta

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import PODS
from bot.clouds.kubernetes.workloads import is_finished, name_of, selector_text
from bot.core.values import Facts, Value, amount, spoken
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Milestone, Step, StepSpec
from strategies.common.commands import for_each_pod
from strategies.kubernetes.pods import Count, RequestCounter, served

# Step: wait until the pods that were switched away serve no more requests.

_QUIET_READINGS = 3
"""Consecutive equal readings that make a drain."""


class AwaitDrainParams(Value):
    """Whose requests are counted, and for how long they are waited for."""

    namespace: str
    selector: dict[str, str]
    colour: str
    counter: RequestCounter | None
    timeout_seconds: float
    interval_seconds: float


class _Reading(Value):
    seconds: float
    """Since the wait began."""
    totals: dict[str, float | None]
    unmatched: tuple[str, ...] = ()
    """Pods whose counter has no series with the labels that were asked for."""

    @property
    def known(self) -> bool:
        return None not in self.totals.values()

    @property
    def unread(self) -> list[str]:
        """Pods whose counter cannot be read at all."""
        unknown = (pod for pod, total in self.totals.items() if total is None)
        return sorted(set(unknown) - set(self.unmatched))


class AwaitDrain:
    """Reads every old pod's request counter until it stands still; changes nothing.

    Established connections stay where they are after a switch. A drain that takes too long is
    reported with its figures and is no failure: new requests reach the target already.
    """

    name = "await-drain"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER when no old pod is left, else BEFORE."""
        params = AwaitDrainParams.model_validate(step.action.params)
        pods = await _pods(params, world)
        if not pods:
            return Observed(state=StepState.AFTER, summary=f"No pod of {params.colour} is running.")
        return Observed(
            state=StepState.BEFORE,
            summary=f"Running: {amount(len(pods), 'pod')} of {params.colour}.",
        )

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Says whether the old pods are quiet, or how much they still serve."""
        params = AwaitDrainParams.model_validate(step.action.params)
        start = world.clock.now()
        deadline = start + timedelta(seconds=params.timeout_seconds)
        readings: list[_Reading] = []
        filter_proven = False
        while True:
            pods = await _pods(params, world)
            if not pods:
                return f"No pod of {params.colour} is running any more."
            if params.counter is not None:
                counts = await served(world, params.namespace, pods, params.counter)
                elapsed = (world.clock.now() - start).total_seconds()
                known = [one for one in counts.values() if one.total is not None]
                filter_proven |= any(one.matches for one in known)
                readings.append(_reading(elapsed, counts, filter_proven=filter_proven))
                if _is_quiet(readings):
                    return (
                        f"The {amount(len(pods), 'pod')} of {params.colour} served no more "
                        f"requests after {spoken(elapsed)}; they keep running for debugging."
                    )
            left = (deadline - world.clock.now()).total_seconds()
            if left <= 0:
                return _unfinished(params, readings, len(pods))
            pause = params.interval_seconds if params.counter else left
            await world.clock.sleep(min(pause, left))


async def _pods(params: AwaitDrainParams, world: World) -> list[str]:
    labels = selector_text(params.selector)
    pods = await world.cluster.list(PODS, params.namespace, labels=labels)
    return [name_of(pod) for pod in pods if not is_finished(pod)]


def _reading(seconds: float, counts: dict[str, Count], *, filter_proven: bool) -> _Reading:
    """A pod without a matching series has served nothing, if the filter is right.

    Another pod with such a series shows that it is; else nobody can tell.
    """
    strangers = sorted(pod for pod, one in counts.items() if not one.matches)
    unmatched = () if filter_proven else tuple(strangers)
    totals = {pod: None if pod in unmatched else one.total for pod, one in counts.items()}
    return _Reading(seconds=seconds, totals=totals, unmatched=unmatched)


def _is_quiet(readings: list[_Reading]) -> bool:
    last = readings[-_QUIET_READINGS:]
    return (
        len(last) == _QUIET_READINGS
        and last[0].known
        and all(reading.totals == last[0].totals for reading in last)
    )


def _unfinished(params: AwaitDrainParams, readings: list[_Reading], pods: int) -> str:
    waited = f"after {spoken(params.timeout_seconds)}"
    if not readings:
        return (
            "Not measured: the catalog has no metrics of provider pods for the "
            f"{amount(pods, 'pod')} of {params.colour}; open connections were given "
            f"{spoken(params.timeout_seconds)} to end."
        )
    last = readings[-1]
    rate = _rate(readings[-_QUIET_READINGS:])
    silent = f" The counters of {', '.join(last.unread)} cannot be read." if last.unread else ""
    if last.unmatched:
        silent += f" No series of theirs is {params.counter}: check metrics.where in rollback.yml."
    if silent and not rate:
        return (
            f"Not known whether the pods of {params.colour} still serve requests {waited}.{silent}"
        )
    return (
        f"Not drained {waited}: the pods of {params.colour} still serve {rate:.1f} requests "
        f"per second over connections opened before the switch.{silent}"
    )


def _rate(readings: list[_Reading]) -> float:
    """Requests per second over the readings; a pod counts where both ends are known."""
    first, last = readings[0], readings[-1]
    seconds = last.seconds - first.seconds
    if seconds <= 0:
        return 0.0
    grown = 0.0
    for pod, total in last.totals.items():
        before = first.totals.get(pod)
        if total is not None and before is not None:
            grown += max(0.0, total - before)
    return grown / seconds


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
