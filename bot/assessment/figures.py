"""Live figures and the baseline: what the metrics say, with every gap named."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from bot.catalog.metrics import METRICS
from bot.catalog.service import ServiceEntry
from bot.core.backoff import within
from bot.core.errors import RollbackBotError, TemporaryError
from bot.core.values import Value, spoken
from bot.engine import releases
from bot.engine.context import Context
from bot.engine.measuring import SOURCE
from bot.engine.world import Observation
from bot.incident.assessment import Figures
from bot.judge.counts import Baseline
from bot.metrics.port import Series

SHORT_OF_NORMAL = timedelta(minutes=30)
"""A baseline that was measured for less time than this is used, and said to be short."""
LEAST_BUSINESS = 20
"""Fewer orders than this are expected in the live window: a drop could be chance."""


async def measure(context: Context, service: str, *, strategy: str | None = None) -> Figures:
    """What is known now; a source that fails or is too slow leaves a gap and a problem."""
    entry = context.service(service)
    # A source that learns of requests late is asked about the newest time that it knows whole.
    now = context.clock.now() - _late_by(entry)
    patience = context.catalog.assessment.patience
    window = context.catalog.assessment.live_window
    chosen = context.strategy(strategy or entry.rollback[0].strategy)
    observed, live = await asyncio.gather(
        within(patience, chosen.observe(entry, context.world), "The cluster"),
        within(patience, _series(context, service, now - window, now), SOURCE),
    )
    problems = [outcome for outcome in (observed, live) if isinstance(outcome, RollbackBotError)]
    observation = observed if isinstance(observed, Observation) else None
    series = live if isinstance(live, Series) else None
    since = observation.released_at if observation else None
    usual = await normal(context, service, released_at=since)
    if usual.baseline is None:
        problems.append(TemporaryError(usual.note))
    told = [problem.what for problem in problems]
    if series is not None:
        told += ["No request was counted just now."] * (series.requests == 0) + [*series.problems]
    drop, why_not = _business_drop(series, usual.baseline, window)
    return Figures(
        **_live(series),
        **_usual(usual),
        business_shortfall=drop,
        current_release=observation.live_release if observation else None,
        previous_release=await _previous(context, service, observation),
        source=METRICS.get(entry.metrics.provider).title if entry.metrics else "",
        problems=(*told, *why_not),
    )


def _live(series: Series | None) -> dict[str, Any]:
    if series is None:
        return {}
    return {
        "error_rate": series.error_rate,
        "requests": series.requests,
        "latency_ms": series.latency_ms,
        "p95_ms": series.p95_ms,
        "p99_ms": series.p99_ms,
        "saturation": series.saturation,
        "business_per_minute": series.business_per_minute,
    }


def _usual(usual: Normal) -> dict[str, Any]:
    if usual.baseline is None:
        return {"baseline_note": usual.note}
    return {
        "baseline_error_rate": usual.baseline.error_rate,
        "baseline_latency_ms": usual.baseline.latency_ms,
        "baseline_p95_ms": usual.baseline.p95_ms,
        "baseline_business_per_minute": usual.baseline.business_per_minute,
        "baseline_note": usual.note,
    }


def _business_drop(
    series: Series | None, baseline: Baseline | None, window: timedelta
) -> tuple[float | None, tuple[str, ...]]:
    """How far business is below normal, or why that cannot be told."""
    now = series.business_per_minute if series else None
    if now is None:
        return None, ()
    usual = baseline.business_per_minute if baseline else None
    if usual is None:
        return None, ("What is normal for the business metric is unknown.",)
    if usual * window.total_seconds() / 60 < LEAST_BUSINESS:
        return None, (f"Business: {usual:.1f} a minute is normal, too little to compare.",)
    return max(0.0, 1 - now / usual), ()


def _late_by(entry: ServiceEntry) -> timedelta:
    return entry.metrics.late_by if entry.metrics else timedelta(0)


class Normal(Value):
    """What was normal before a release."""

    baseline: Baseline | None
    note: str
    """Where it comes from, or why it is unknown."""
    served: tuple[str, ...] = ()
    """Releases that the bot has itself seen serve then, the busiest first."""


async def normal(context: Context, service: str, *, released_at: datetime | None) -> Normal:
    """What was normal before a release.

    The catalog may name an error rate to assume when nothing was measured; that is said too.
    """
    verification = context.catalog.verification_of(service)
    patience = context.catalog.assessment.patience
    if released_at is None:
        return _assumed(context, service, "It is not known when the release began to serve.")
    start = released_at - verification.baseline_window
    # Nothing of the bad release itself, and nothing that its source has yet to learn.
    end = min(released_at, context.clock.now() - _late_by(context.service(service)))
    outcome = await within(patience, _series(context, service, start, end), SOURCE)
    if isinstance(outcome, RollbackBotError):
        return _assumed(context, service, outcome.what)
    if outcome.requests == 0:
        return _assumed(
            context, service, f"Nothing was measured before {released_at:%H:%M:%S} UTC."
        )
    # Stretches in which nothing was recorded say nothing about normal traffic.
    covered = [bucket for bucket in outcome.buckets if bucket.requests]
    first, last = covered[0], covered[-1]
    found = Baseline(
        start=first.start,
        end=min(released_at, last.start + timedelta(seconds=last.seconds)),
        requests=outcome.requests,
        errors=outcome.errors,
        latency_ms=outcome.latency_ms,
        p95_ms=outcome.p95_ms,
        business_per_minute=outcome.business_per_minute,
    )
    length = found.end - found.start
    note = (
        f"{found.requests:,} requests in the {spoken(length.total_seconds())} before the release "
        f"at {released_at:%H:%M:%S} UTC"
    )
    if length < min(SHORT_OF_NORMAL, verification.baseline_window):
        note += ", which is all that was recorded"
    busiest = sorted(outcome.requests_by_release.items(), key=lambda item: -item[1])
    served = tuple(release for release, requests in busiest if requests)
    return Normal(baseline=found, note=note, served=served)


def _assumed(context: Context, service: str, why: str) -> Normal:
    rate = context.catalog.verification_of(service).assumed_error_rate
    if rate is None:
        return Normal(baseline=None, note=why)
    now = context.clock.now()
    # A rate without traffic: the judge cannot hold thin traffic against it, so it is expressed
    # as many requests over a long time.
    requests = 1_000_000
    assumed = Baseline(
        start=now - timedelta(days=3650),
        end=now,
        requests=requests,
        errors=round(rate * requests),
    )
    return Normal(baseline=assumed, note=f"{why} The catalog's assumed error rate is used.")


async def _series(context: Context, service: str, start: datetime, end: datetime) -> Series:
    entry = context.service(service)
    seconds = context.catalog.verification_of(service).judge.bucket_seconds
    return await context.metrics.series(service, entry, start=start, end=end, seconds=seconds)


async def _previous(context: Context, service: str, observation: Observation | None) -> str | None:
    if observation is None:
        return None
    marks = await releases.marks(context, service)
    names = [c.release for c in observation.candidates if c.release not in marks.bad]
    good = [release for release in marks.good if release in names]
    return next(iter((*good, *names)), None)
