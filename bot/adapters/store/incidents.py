"""Incidents: their ids, their events, and their claim on a service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bot.adapters.store import deliveries, documents, leases
from bot.adapters.store.mapping import instant, micros
from bot.adapters.store.session import Param, Row, Session
from bot.domain.events import EVENT, Recorded
from bot.errors import ConcurrencyError, DuplicateRequestError, NotFoundError, RefusedError
from bot.ports.store import Batch, IncidentHead, Lease

REQUESTS_KEPT = timedelta(days=7)
"""How long a request is remembered; Slack redelivers for about an hour."""


async def declare(
    session: Session, *, service: str, now: datetime, make: Callable[[str], Batch]
) -> IncidentHead:
    """Open an incident with its first batch; see ``Store.declare``."""
    year = now.astimezone(UTC).year
    # The counter's row stays locked until the end: declarations go one after the other, and a
    # refused one leaves no gap.
    counted = await session.rows(
        """INSERT INTO counters (name, value) VALUES (:name, 1)
        ON CONFLICT (name) DO UPDATE SET value = counters.value + 1
        RETURNING value""",
        name=f"incidents/{year}",
    )
    number: int = counted[0]["value"]
    incident_id = f"INC-{year}-{number:03d}"
    batch = make(incident_id)
    # Before the claim: a repeated request must hear that it was carried out, not that it is
    # in its own way.
    await _remember(session, batch.request_id, now)
    await _claim(session, incident_id, number=number, service=service, now=now)
    seq = await _write(session, incident_id, expected=0, batch=batch, now=now)
    return IncidentHead(
        id=incident_id, service=service, seq=seq, is_open=not batch.closes, opened_at=now
    )


async def append(
    session: Session,
    incident_id: str,
    *,
    expected: int,
    batch: Batch,
    now: datetime,
    lease: Lease | None,
) -> int:
    """Write a batch after event number ``expected``; see ``Store.append``."""
    await _remember(session, batch.request_id, now)
    if lease is not None:
        await leases.hold(session, lease)
    return await _write(session, incident_id, expected=expected, batch=batch, now=now)


async def load(session: Session, incident_id: str, *, after: int) -> tuple[Recorded, ...]:
    """An incident's events behind number ``after``, oldest first."""
    rows = await session.rows(
        """SELECT seq, at, body FROM events
        WHERE incident_id = :incident_id AND seq > :after ORDER BY seq""",
        incident_id=incident_id,
        after=after,
    )
    return tuple(
        Recorded(seq=row["seq"], at=instant(row["at"]), event=EVENT.validate_json(row["body"]))
        for row in rows
    )


async def heads(
    session: Session, *, service: str | None, open_only: bool, limit: int
) -> tuple[IncidentHead, ...]:
    """Incidents, newest first."""
    params: dict[str, Param] = {"limit": limit}
    conditions = ["closed_at IS NULL"] if open_only else []
    if service is not None:
        conditions.append("service = :service")
        params["service"] = service
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = await session.rows(
        f"SELECT * FROM incidents {where} ORDER BY opened_at DESC, number DESC LIMIT :limit",  # noqa: S608 - the conditions are the constants above
        **params,
    )
    return tuple(_head(row) for row in rows)


async def prune(session: Session, now: datetime) -> None:
    """Forget requests that nobody repeats any more."""
    await session.rows(
        "DELETE FROM requests WHERE at < :before", before=micros(now - REQUESTS_KEPT)
    )


async def _remember(session: Session, request_id: str, now: datetime) -> None:
    if not request_id:
        return
    first = await session.rows(
        "INSERT INTO requests (id, at) VALUES (:id, :at) ON CONFLICT (id) DO NOTHING RETURNING id",
        id=request_id,
        at=micros(now),
    )
    if not first:
        raise DuplicateRequestError(f"The request {request_id} has been carried out before.")


async def _claim(
    session: Session, incident_id: str, *, number: int, service: str, now: datetime
) -> None:
    claimed = await session.rows(
        """INSERT INTO incidents (id, number, service, seq, opened_at)
        VALUES (:id, :number, :service, 0, :opened_at)
        ON CONFLICT (service) WHERE closed_at IS NULL DO NOTHING
        RETURNING id""",
        id=incident_id,
        number=number,
        service=service,
        opened_at=micros(now),
    )
    if claimed:
        return
    opened = await heads(session, service=service, open_only=True, limit=1)
    named = f" ({opened[0].id})" if opened else ""
    raise RefusedError(
        f"{service} already has an open incident{named}.",
        "Go on there, or resolve it before you declare another.",
    )


async def _write(
    session: Session, incident_id: str, *, expected: int, batch: Batch, now: datetime
) -> int:
    last = expected + len(batch.events)
    moved = await session.rows(
        "UPDATE incidents SET seq = :last WHERE id = :id AND seq = :expected RETURNING seq",
        id=incident_id,
        last=last,
        expected=expected,
    )
    if not moved:
        await _explain(session, incident_id, expected)
    await session.many(
        "INSERT INTO events (incident_id, seq, at, body) VALUES (:incident_id, :seq, :at, :body)",
        [
            {
                "incident_id": incident_id,
                "seq": seq,
                "at": micros(now),
                "body": EVENT.dump_json(event).decode(),
            }
            for seq, event in enumerate(batch.events, start=expected + 1)
        ],
    )
    if batch.closes:
        await session.rows(
            "UPDATE incidents SET closed_at = :now WHERE id = :id AND closed_at IS NULL",
            id=incident_id,
            now=micros(now),
        )
    if batch.reopens:
        await _reopen(session, incident_id, now)
    await documents.attach(session, incident_id, batch.attachments)
    await documents.put(session, batch.documents)
    # Last, because it locks the queue for everybody.
    await deliveries.owe(session, batch.deliveries, now=now)
    return last


async def _reopen(session: Session, incident_id: str, now: datetime) -> None:
    """Take the claim on the service again, unless another incident has it."""
    rows = await session.rows("SELECT * FROM incidents WHERE id = :id", id=incident_id)
    reopened = _head(rows[0])
    if reopened.is_open:
        return
    # The counters' row locks out a declaration that would claim the service at the same moment.
    await session.rows(
        "UPDATE counters SET value = value WHERE name = :name RETURNING value",
        name=f"incidents/{now.astimezone(UTC).year}",
    )
    opened = await heads(session, service=reopened.service, open_only=True, limit=1)
    if opened:
        raise RefusedError(
            f"{reopened.service} already has an open incident ({opened[0].id}).", "Go on there."
        )
    await session.rows("UPDATE incidents SET closed_at = NULL WHERE id = :id", id=incident_id)


async def _explain(session: Session, incident_id: str, expected: int) -> None:
    found = await session.rows("SELECT seq FROM incidents WHERE id = :id", id=incident_id)
    if not found:
        raise NotFoundError(f"There is no incident {incident_id}.")
    raise ConcurrencyError(
        f"{incident_id} stands at event {found[0]['seq']}, not at {expected}.",
        "Load it again and decide again.",
    )


def _head(row: Row) -> IncidentHead:
    return IncidentHead(
        id=row["id"],
        service=row["service"],
        seq=row["seq"],
        is_open=row["closed_at"] is None,
        opened_at=instant(row["opened_at"]),
    )
