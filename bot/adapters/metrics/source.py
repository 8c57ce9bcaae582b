"""The embedded metrics provider: no monitoring system needed."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.adapters.metrics.recorder import PodRecorder
from bot.adapters.store import Store
from bot.config.metrics.exported import PodMetrics
from bot.domain.findings import Finding, passed, warned
from bot.domain.series import count
from bot.domain.values import amount
from bot.ports.metrics import Checkup, Measured, MetricsProvider, MetricsSource, Series

_BELIEVED_ROUNDS = 3
"""Up to two lost readings in a row are bridged; a longer gap counts nothing."""
_ALWAYS_BELIEVED = timedelta(seconds=2)
"""Where readings are very frequent, a busy moment of this machine is no gap."""


_LOOK_BACK = timedelta(minutes=1)


class PodMetricsSource(MetricsSource[PodMetrics]):
    """Counts what a :class:`PodRecorder` keeps."""

    def __init__(self, store: Store, recorder: PodRecorder) -> None:
        self._store = store
        self._recorder = recorder

    async def series(
        self, service: Measured[PodMetrics], *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        """Counts of the pods' own counters; pods are read anew when ``end`` is about now.

        Raises PermanentError when no pod knows the counter, TemporaryError when the cluster does
        not answer.
        """
        metrics = service.settings
        await self._recorder.refresh(service, end=end)
        longest = max(metrics.every * _BELIEVED_ROUNDS, _ALWAYS_BELIEVED)
        # What happened until the end is told by the first reading after it.
        readings = await self._store.scrapes(service.name, start=start, end=end + longest)
        counts = count(readings, start=start, end=end, seconds=seconds, longest=longest)
        problems: tuple[str, ...] = ()
        if metrics.business and counts.business_per_minute is None:
            problems = (f"The business metric: no pod exported “{metrics.business}” in that time.",)
        return Series(**dict(counts), problems=problems)

    async def record(self, service: Measured[PodMetrics]) -> None:
        """One round of readings."""
        await self._recorder.collect(service)


class _Pods(MetricsProvider):
    async def check(self, at: Checkup) -> list[Finding]:
        """Read them now."""
        now = at.clock.now()
        series = await at.metrics.series(
            at.name, at.entry, start=now - _LOOK_BACK, end=now, seconds=10
        )
        read = await at.store.scrapes(at.name, start=now, end=at.clock.now())
        if not read:
            nothing = "No pod could be read just now."
            return [warned(at.subject, nothing, "Check selector, port and path.")]
        if series.problems:
            said = " ".join(series.problems)
            return [warned(at.subject, said, f"Compare with {self.page}.")]
        releases = ", ".join(sorted({point.release for point in read}))
        pods = len({point.instance for point in read})
        return [passed(at.subject, f"Counters of {amount(pods, 'pod')} were read ({releases}).")]


PODS = _Pods(
    name="pods",
    settings=PodMetrics,
    title="the service's own pods",
    page="docs/metrics.md#pods",
    source=lambda access: PodMetricsSource(
        access.store, PodRecorder(access.cluster, access.store, access.clock)
    ),
)
