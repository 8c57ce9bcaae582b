"""Where counts of requests come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

import structlog

from bot.catalog.metrics import METRICS, MetricsSettings
from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import Cluster
from bot.clouds.outside import Aws, Http, Secrets
from bot.core.clock import Clock
from bot.core.errors import PermanentError
from bot.core.findings import Finding, passed, warned
from bot.judge.series import Counts
from bot.store.store import Store

S = TypeVar("S", bound=MetricsSettings)
Record = Callable[[str, ServiceEntry], Awaitable[None]]
"""Takes a reading of a service where the bot keeps readings itself."""

_LOOK_BACK = timedelta(minutes=5)
"""Enough whole minutes for a source that keeps whole minutes."""


class Series(Counts):
    """The same as a source of metrics tells it, which may fall short of what is asked for."""

    problems: tuple[str, ...] = ()
    """Why a figure that the catalog asks for is unknown, one sentence each."""

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(bucket.requests for bucket in self.buckets)

    @property
    def errors(self) -> int:
        """All failed requests."""
        return sum(bucket.errors for bucket in self.buckets)

    @property
    def error_rate(self) -> float | None:
        """Pooled errors per request; None without requests."""
        return self.errors / self.requests if self.requests else None


class Metrics(Protocol):
    """Where request counts come from."""

    async def series(
        self, name: str, service: ServiceEntry, *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        """Consecutive buckets of ``seconds`` from start on; a span without data has 0 requests.

        A source that keeps whole minutes begins with the first whole minute after the start and
        may return longer buckets. One that learns of requests late is waited for, so that a
        bucket is never half full. A figure beside the counts that cannot be told is None, and
        ``problems`` says why.

        Raises TemporaryError when the source does not answer, or answers in part;
        PermanentError when the service has no metrics, the bot may not read them, the series do
        not exist, or no errors and a wrong query for errors cannot be told apart.
        """


@dataclass(frozen=True, kw_only=True)
class Measured(Generic[S]):
    """A service, as far as its provider must know it."""

    name: str
    settings: S
    version_label: str
    """Label of its pods that names the release."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """What a provider asks with."""

    http: Http
    aws: Aws
    cluster: Cluster
    store: Store
    secrets: Secrets
    clock: Clock


class MetricsSource(ABC, Generic[S]):
    """Asks one provider, for every service that it measures."""

    @abstractmethod
    async def series(
        self, service: Measured[S], *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        """Counts and figures of a span; raises as ``Metrics.series`` does.

        LookupError, TypeError, ValueError and AttributeError say that an answer is not as the
        provider documents it. Nobody asks for what is newer than ``late_by`` of the settings.
        """

    async def record(self, service: Measured[S]) -> None:
        """Take a reading and keep it; called every ``recorded_every`` of the settings."""


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """A service that is looked at, and with what."""

    name: str
    entry: ServiceEntry
    subject: str
    """Of the findings."""
    metrics: Metrics
    store: Store
    clock: Clock


@dataclass(frozen=True, kw_only=True)
class MetricsProvider:
    """A way to measure services. Registered in pyproject.toml, under ``rollback_bot.metrics``."""

    name: str
    settings: type[MetricsSettings]
    title: str
    """Whom figures come from, in a sentence: “the service's own pods”."""
    page: str
    """Where it is documented."""
    source: Callable[[Access], MetricsSource[Any]]

    async def check(self, at: Checkup) -> list[Finding]:
        """Whether figures can be read now. Raises what reading them raises.

        Reads the newest that the source can know: newer ones would be waited for, and some
        sources know whole minutes only.
        """
        late_by = at.entry.metrics.late_by if at.entry.metrics else timedelta(0)
        end = (at.clock.now() - late_by).replace(second=0, microsecond=0)
        series = await at.metrics.series(
            at.name, at.entry, start=end - _LOOK_BACK, end=end, seconds=60.0
        )
        minutes = _LOOK_BACK // timedelta(minutes=1)
        if not series.requests:
            silent = warned(
                at.subject,
                f"{self.name} answers, but counted no request within {minutes} minutes. That "
                "proves nothing.",
                "Look at it again under traffic; docs/proof.md says what probes can do.",
            )
            return [silent]
        counted = f"{series.requests} requests, {series.errors} failed, within {minutes} minutes"
        found = [passed(at.subject, f"{self.name} answers: {counted}.")]
        if series.problems:
            what = " ".join(series.problems)
            beside = f"{at.subject}, beside the counts"
            found.append(warned(beside, what, f"Compare with {self.page}."))
        return found


# The ``Metrics`` port: every service is asked for at the provider that its entry names.

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
