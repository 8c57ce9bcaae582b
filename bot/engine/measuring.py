"""Counts of a service over a span of time, or why there are none."""

from __future__ import annotations

from datetime import datetime

from bot.core.backoff import within
from bot.core.errors import RollbackBotError
from bot.engine.context import Context
from bot.metrics.port import Series

SOURCE = "The metrics source"


async def counted(context: Context, service: str, start: datetime, end: datetime) -> Series | str:
    """Buckets of the judge's length from start on, or a sentence that says why there are none.

    A source that learns of requests late is given that time on top of the usual patience.
    """
    entry = context.service(service)
    seconds = context.catalog.verification_of(service).judge.bucket_seconds
    work = context.metrics.series(service, entry, start=start, end=end, seconds=seconds)
    limit = context.catalog.assessment.patience
    if entry.metrics is not None:
        limit += entry.metrics.late_by
    outcome = await within(limit, work, SOURCE)
    return outcome.what if isinstance(outcome, RollbackBotError) else outcome
