"""Live figures and the baseline: what the metrics say, with every gap named."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import TypeVar

from bot.domain.assessment import Figures
from bot.domain.recovery import Baseline
from bot.domain.values import Value
from bot.errors import RollbackBotError, TemporaryError
from bot.pipeline import releases
from bot.pipeline.context import Context
from bot.ports.world import Observation, Series

T = TypeVar("T")


async def measure(context: Context, service: str, *, strategy: str | None = None) -> Figures:
    """What is known now; a source that fails or is too slow leaves a gap and a problem."""
    entry = context.service(service)
    now = context.clock.now()
    patience = context.catalog.assessment.patience
    window = context.catalog.assessment.live_window
    chosen = context.strategy(strategy or entry.rollback[0].strategy)
    observed, live = await asyncio.gather(
        _within(patience, chosen.observe(entry, context.world), "The cluster"),
        _within(patience, _series(context, service, now - window, now), "The metrics source"),
    )
    problems = [outcome for outcome in (observed, live) if isinstance(outcome, RollbackBotError)]
    observation = observed if isinstance(observed, Observation) else None
    series = live if isinstance(live, Series) else None
    since = observation.released_at if observation else None
    usual = await normal(context, service, released_at=since)
    if usual.baseline is None:
        problems.append(TemporaryError(usual.note))
    if series is not None and series.requests == 0:
        problems.append(TemporaryError("No request was counted just now."))
    return Figures(
        error_rate=series.error_rate if series else None,
        requests=series.requests if series else None,
        latency_ms=series.latency_ms if series else None,
        baseline_error_rate=usual.baseline.error_rate if usual.baseline else None,
        baseline_latency_ms=usual.baseline.latency_ms if usual.baseline else None,
        current_release=observation.live_release if observation else None,
        previous_release=await _previous(context, service, observation),
        problems=tuple(problem.what for problem in problems),
    )


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
    outcome = await _within(
        patience, _series(context, service, start, released_at), "The metrics source"
    )
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
        end=last.start + timedelta(seconds=last.seconds),
        requests=outcome.requests,
        errors=outcome.errors,
        latency_ms=outcome.latency_ms,
    )
    note = f"{found.requests} requests before the release at {released_at:%H:%M:%S} UTC"
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


async def _within(patience: timedelta, work: Awaitable[T], source: str) -> T | RollbackBotError:
    """The result, or the error as a value when it fails or takes too long."""
    try:
        async with asyncio.timeout(patience.total_seconds()):
            return await work
    except TimeoutError:
        return TemporaryError(f"{source} did not answer within {patience.total_seconds():g} s.")
    except RollbackBotError as error:
        return error
