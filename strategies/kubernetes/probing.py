"""Asking the service and its pods which release they are, and how much they have served."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from prometheus_client.parser import text_string_to_metric_families

from bot.domain.releases import reports_release
from bot.domain.values import Value
from bot.errors import NotFoundError, TemporaryError
from bot.ports.world import World
from strategies.waiting import until_right

_AT_ONCE = 16
_FRESH_ANSWERS = 3
"""Consecutive fresh connections that must reach the target: a stale route may still answer."""


class RequestCounter(Value):
    """Where a pod counts the requests of its users."""

    port: int
    path: str
    name: str
    where: dict[str, str]

    def __str__(self) -> str:
        """As in PromQL: ``http_requests_total{path="/"}``."""
        labels = ",".join(f'{key}="{value}"' for key, value in sorted(self.where.items()))
        return f"{self.name}{{{labels}}}" if labels else self.name


class Count(Value):
    """What one pod says that it has served."""

    total: float | None
    """Requests since it started; None where the counter cannot be read."""
    matches: bool = True
    """False where no series of the counter has the labels of ``where``.

    So it is in a pod that has not served such a request yet, and where the filter is wrong.
    """


async def await_release(world: World, url: str, release: str, *, patience_seconds: float) -> str:
    """Ask the version endpoint until it names the release several times in a row.

    The answer that was missing is returned as a sentence; empty when all is well.
    """

    async def ask() -> str:
        try:
            answer = await world.http.get(url)
        except TemporaryError as error:
            return error.what or "no answer"
        if answer.status == 200 and reports_release(answer.text, release):
            return ""
        return f"HTTP {answer.status}: {answer.text.strip()[:80]}"

    last = await until_right(
        ask, world.clock, times=_FRESH_ANSWERS, patience_seconds=patience_seconds
    )
    return f"{url} does not answer with {release} (last: {last})" if last else ""


async def wrong_versions(
    world: World, namespace: str, pods: Sequence[str], *, port: int, path: str, release: str
) -> dict[str, str]:
    """Each pod that does not report the release, with what it did instead."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def ask(pod: str) -> str:
        async with gate:
            try:
                answer = await world.cluster.ask_pod(namespace, pod, port, path)
            except (TemporaryError, NotFoundError) as error:
                return error.what
        if answer.status == 200 and reports_release(answer.text, release):
            return ""
        return f"answers HTTP {answer.status}: {answer.text.strip()[:80]}"

    answers = await asyncio.gather(*(ask(pod) for pod in pods))
    return {pod: text for pod, text in zip(pods, answers, strict=True) if text}


async def served(
    world: World, namespace: str, pods: Sequence[str], counter: RequestCounter
) -> dict[str, Count]:
    """What each pod has served since it started.

    Pods that are gone are left out: they serve nothing any more.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(pod: str) -> tuple[str, Count] | None:
        async with gate:
            try:
                answer = await world.cluster.ask_pod(namespace, pod, counter.port, counter.path)
            except NotFoundError:
                return None
            except TemporaryError:
                return pod, Count(total=None)
        read = answer.status == 200
        return pod, _count(answer.text, counter) if read else Count(total=None)

    readings = await asyncio.gather(*(read(pod) for pod in pods))
    return dict(reading for reading in readings if reading is not None)


def _count(text: str, counter: RequestCounter) -> Count:
    """Unknown for metrics without this counter: no figure is not the figure 0."""
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError:
        return Count(total=None)
    names = {name for one in families for name in (one.name, f"{one.name}_total")}
    names |= {sample.name for one in families for sample in one.samples}
    if counter.name not in names:
        return Count(total=None)
    values = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == counter.name and counter.where.items() <= sample.labels.items()
    ]
    return Count(total=sum(values), matches=bool(values) or not counter.where)
