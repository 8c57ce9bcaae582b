"""The embedded metrics provider: no monitoring system needed."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.adapters.metrics.recorder import PodRecorder
from bot.adapters.store import Store
from bot.config.catalog import ServiceEntry
from bot.domain.series import count
from bot.ports.metrics import Series

_BELIEVED_ROUNDS = 3
"""Up to two lost readings in a row are bridged; a longer gap counts nothing."""
_ALWAYS_BELIEVED = timedelta(seconds=2)
"""Where readings are very frequent, a busy moment of this machine is no gap."""


class PodMetricsSource:
    """The ``Metrics`` port over what a :class:`PodRecorder` keeps."""

    def __init__(self, store: Store, recorder: PodRecorder) -> None:
        self._store = store
        self._recorder = recorder

    async def series(
        self, name: str, service: ServiceEntry, *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        """Counts of the pods' own counters; pods are read anew when ``end`` is about now.

        Raises PermanentError when the service has no metrics or no pod knows the counter,
        TemporaryError when the cluster does not answer.
        """
        metrics = self._recorder.metrics_of(name)
        await self._recorder.refresh(name, end=end)
        longest = max(metrics.every * _BELIEVED_ROUNDS, _ALWAYS_BELIEVED)
        # What happened until the end is told by the first reading after it.
        readings = await self._store.scrapes(name, start=start, end=end + longest)
        counts = count(readings, start=start, end=end, seconds=seconds, longest=longest)
        problems: tuple[str, ...] = ()
        if metrics.business and counts.business_per_minute is None:
            problems = (f"The business metric: no pod exported “{metrics.business}” in that time.",)
        return Series(**dict(counts), problems=problems)
