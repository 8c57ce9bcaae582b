"""Waiting for a state of the cluster: woken by watches, decided on fresh lists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

from bot.clouds.kubernetes.objects import Cluster, Kind, Manifest
from bot.core.backoff import Backoff
from bot.core.clock import Clock
from bot.core.errors import PermanentError
from bot.core.values import Value, spoken
from bot.engine.world import World

_RESYNC_SECONDS = 10.0
"""A fresh look without an event, should one have been missed between two connections."""
_ASKING = Backoff(first=0.1, longest=1.0)


class Selection(Value):
    """Objects that matter to a wait."""

    kind: Kind
    namespace: str
    labels: str = ""
    fields: str = ""


class Pending(Value):
    """Not there yet."""

    summary: str
    progress: str = ""
    """Patience begins anew with each that was not seen before in this wait.

    A pod that is ready now and not ready then comes back to what was seen: that is no progress.
    """
    patience_seconds: float | None = None
    """At most so long without progress while it is like this; None leaves it to the wait."""


Objects: TypeAlias = Sequence[tuple[Manifest, ...]]
Check: TypeAlias = Callable[[Objects], Pending | str]
"""Given the objects of each selection, in order: Pending, or the sentence that ends the wait.

Raises PermanentError when the end can no longer be reached.
"""


async def wait_until(
    world: World, selections: Sequence[Selection], check: Check, *, patience_seconds: float
) -> str:
    """The check's sentence as soon as it gives one.

    Raises PermanentError after so many seconds without progress, and what the check raises.
    """
    verdict = check(await _look(world.cluster, selections))
    if isinstance(verdict, str):
        return verdict
    seen, since = {verdict.progress}, world.clock.now()
    wake = asyncio.Event()
    async with _watching(world.cluster, selections, wake) as watchers:
        while True:
            wake.clear()
            verdict = check(await _look(world.cluster, selections))
            if isinstance(verdict, str):
                return verdict
            now = world.clock.now()
            if verdict.progress not in seen:
                seen.add(verdict.progress)
                since = now
            patience = min(patience_seconds, verdict.patience_seconds or patience_seconds)
            left = patience - (now - since).total_seconds()
            if left <= 0:
                raise PermanentError(f"No progress for {spoken(patience)}: {verdict.summary}.")
            await _woken(wake, world.clock, min(left, _RESYNC_SECONDS))
            for watcher in watchers:
                if watcher.done():
                    watcher.result()  # a watch ends by an error only


async def until_right(
    ask: Callable[[], Awaitable[str]], clock: Clock, *, times: int, patience_seconds: float
) -> str:
    """Ask until so many answers in a row are right; what is wrong else, empty when all is well.

    There is no event to wait for: proxies and load balancers outside of the cluster follow when
    they do, and one right answer proves nothing about the next.
    """
    start, pauses, in_a_row = clock.now(), _ASKING.pauses(), 0
    while in_a_row < times:
        wrong = await ask()
        in_a_row = 0 if wrong else in_a_row + 1
        if not wrong:
            continue
        if (clock.now() - start).total_seconds() >= patience_seconds:
            return wrong
        await clock.sleep(next(pauses))
    return ""


async def _look(cluster: Cluster, selections: Sequence[Selection]) -> Objects:
    return await asyncio.gather(
        *(
            cluster.list(one.kind, one.namespace, labels=one.labels, fields=one.fields)
            for one in selections
        )
    )


@asynccontextmanager
async def _watching(
    cluster: Cluster, selections: Sequence[Selection], wake: asyncio.Event
) -> AsyncIterator[list[asyncio.Task[None]]]:
    watchers = [asyncio.create_task(_watch(cluster, one, wake)) for one in selections]
    for watcher in watchers:
        watcher.add_done_callback(lambda _: wake.set())
    try:
        yield watchers
    finally:
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)


async def _watch(cluster: Cluster, selection: Selection, wake: asyncio.Event) -> None:
    changes = cluster.watch(
        selection.kind, selection.namespace, labels=selection.labels, fields=selection.fields
    )
    try:
        async for _ in changes:
            wake.set()
    finally:
        if isinstance(changes, AsyncGenerator):
            await changes.aclose()


async def _woken(wake: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Return at the next event or after so many seconds of the clock."""
    waits = {asyncio.create_task(wake.wait()), asyncio.create_task(clock.sleep(seconds))}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
