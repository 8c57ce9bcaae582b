"""The ``Metrics`` port: every service is asked for at the provider that its entry names."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

import structlog

from bot.catalog.metrics import METRICS
from bot.catalog.service import ServiceEntry
from bot.core.errors import PermanentError
from bot.metrics.port import Access, Measured, MetricsSource, Series

log = structlog.get_logger()


class MetricsByProvider:
    """Implements ``bot.metrics.port.Metrics``."""

    def __init__(self, access: Access) -> None:
        self._clock = access.clock

        @cache
        def source(provider: str) -> MetricsSource[Any]:
            found: MetricsSource[Any] = METRICS.get(provider).source(access)
            return found

        self._source = source

    async def series(
        self, name: str, service: ServiceEntry, *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        """Counts and figures of a span; see the port."""
        measured = _measured(name, service)
        settings = measured.settings
        if end > start:
            # Asked too early, a source would show a lull that there never was.
            late = (end + settings.late_by - self._clock.now()).total_seconds()
            if settings.late_by and late > 0:
                await self._clock.sleep(late)
        source = self._source(settings.provider)
        try:
            return await source.series(measured, start=start, end=end, seconds=seconds)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            log.warning("figures not understood", service=name, exc_info=True)
            raise PermanentError(
                f"What {settings.provider} answers about {name} is not as its API documents it.",
                "Check the address under metrics in rollback.yml; look for a proxy in between.",
            ) from error

    async def record(self, name: str, service: ServiceEntry) -> None:
        """Take a reading where the bot keeps them itself. Raises as ``series`` does."""
        measured = _measured(name, service)
        await self._source(measured.settings.provider).record(measured)


def _measured(name: str, service: ServiceEntry) -> Measured[Any]:
    if service.metrics is None:
        raise PermanentError(
            f"Nothing measures {name}.", f"Add services.{name}.metrics to the catalog."
        )
    return Measured(name=name, settings=service.metrics, version_label=service.version_label)
