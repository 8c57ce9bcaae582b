"""Look whether a service can be measured now, whoever measures it."""

from __future__ import annotations

from datetime import timedelta

from bot.config.catalog import ServiceEntry
from bot.domain.findings import Finding, passed, warned
from bot.domain.values import amount
from bot.pipeline.context import Context
from bot.ports.metrics import Series

_PODS_LOOK_BACK = timedelta(minutes=1)
_LOOK_BACK = timedelta(minutes=5)
"""Enough whole minutes for a source that keeps whole minutes."""
_SECONDS = 60.0


async def check_metrics(context: Context, name: str, entry: ServiceEntry) -> list[Finding]:
    """Read the newest figures that the source can know. Raises what reading them raises."""
    subject = f"{name}, metrics"
    if entry.metrics is None:
        nothing = "Nothing measures it, so recovery can never be proven."
        return [warned(subject, nothing, f"Add services.{name}.metrics to the catalog.")]
    if entry.pod_metrics is not None:
        return [await _pods(context, name, entry, subject)]
    # Newer figures would be waited for, and some sources know whole minutes only.
    end = (context.clock.now() - entry.metrics.late_by).replace(second=0, microsecond=0)
    series = await context.metrics.series(
        name, entry, start=end - _LOOK_BACK, end=end, seconds=_SECONDS
    )
    return _told(series, entry.metrics.provider, subject)


async def _pods(context: Context, name: str, entry: ServiceEntry, subject: str) -> Finding:
    now = context.clock.now()
    start = now - _PODS_LOOK_BACK
    series = await context.metrics.series(name, entry, start=start, end=now, seconds=10)
    read = await context.store.scrapes(name, start=now, end=context.clock.now())
    if not read:
        return warned(subject, "No pod could be read just now.", "Check selector, port and path.")
    if series.problems:
        return warned(subject, " ".join(series.problems), "Compare with docs/metrics.md.")
    releases = ", ".join(sorted({point.release for point in read}))
    pods = len({point.instance for point in read})
    return passed(subject, f"Counters of {amount(pods, 'pod')} were read ({releases}).")


def _told(series: Series, provider: str, subject: str) -> list[Finding]:
    minutes = _LOOK_BACK // timedelta(minutes=1)
    if not series.requests:
        silent = warned(
            subject,
            f"{provider} answers, but counted no request within {minutes} minutes. That proves "
            "nothing.",
            "Look at it again under traffic; docs/proof.md says what probes can do.",
        )
        return [silent]
    counted = f"{series.requests} requests, {series.errors} failed, within {minutes} minutes"
    found = [passed(subject, f"{provider} answers: {counted}.")]
    if series.problems:
        what = " ".join(series.problems)
        found.append(warned(f"{subject}, beside the counts", what, "Compare with docs/metrics.md."))
    return found
