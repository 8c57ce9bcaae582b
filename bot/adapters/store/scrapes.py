"""Readings of counters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from bot.adapters.store.mapping import instant, micros
from bot.adapters.store.session import Row, Session
from bot.ports.store import ScrapePoint

_MORE = {"duration_buckets", "business", "saturation"}
"""Members of a reading that share one column."""


async def add(session: Session, points: Sequence[ScrapePoint]) -> None:
    """Keep readings; a second one of the same instance and moment adds nothing."""
    await session.many(
        """INSERT INTO scrapes
            (service, instance, at, release, born_at, requests, errors,
             duration_sum, duration_count, more)
        VALUES
            (:service, :instance, :at, :release, :born_at, :requests, :errors,
             :duration_sum, :duration_count, :more)
        ON CONFLICT (service, instance, at) DO NOTHING""",
        [
            {
                **point.model_dump(exclude=_MORE),
                "at": micros(point.at),
                "born_at": micros(point.born_at),
                "more": point.model_dump_json(include=_MORE, exclude_defaults=True),
            }
            for point in points
        ],
    )


async def between(
    session: Session, service: str, *, start: datetime, end: datetime
) -> tuple[ScrapePoint, ...]:
    """Readings with start ≤ at ≤ end, and of each instance the last one before start."""
    rows = await session.rows(
        """SELECT * FROM scrapes WHERE service = :service AND at >= :start AND at <= :end
        UNION ALL
        SELECT scrapes.* FROM scrapes JOIN (
            SELECT instance, MAX(at) AS at FROM scrapes
            WHERE service = :service AND at < :start GROUP BY instance
        ) AS before ON before.instance = scrapes.instance AND before.at = scrapes.at
        WHERE service = :service
        ORDER BY at, instance""",
        service=service,
        start=micros(start),
        end=micros(end),
    )
    return tuple(_point(row) for row in rows)


async def prune(session: Session, before: datetime) -> None:
    """Remove readings older than a moment."""
    await session.rows("DELETE FROM scrapes WHERE at < :before", before=micros(before))


def _point(row: Row) -> ScrapePoint:
    counters = {key: value for key, value in row.items() if key != "more"}
    times = {"at": instant(row["at"]), "born_at": instant(row["born_at"])}
    return ScrapePoint(**{**counters, **times, **json.loads(row["more"])})
