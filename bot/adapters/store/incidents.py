"""Incidents: their ids, their events, their claim on a service, and who may work on them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bot.adapters.store.deliveries import owe
from bot.adapters.store.documents import attach, put_documents
from bot.adapters.store.session import Row, Session, Transactions, instant, micros, reads, writes
from bot.domain.events import EVENT, Recorded
from bot.errors import (
    ConcurrencyError,
    DuplicateRequestError,
    LeaseLostError,
    NotFoundError,
    RefusedError,
)
from bot.ports.store import Batch, IncidentHead, Lease


class Incidents(Transactions):
    """Incidents and leases."""

    @writes
    async def declare(
        self, session: Session, *, service: str, now: datetime, make: Callable[[str], Batch]
    ) -> IncidentHead:
        """Allot the next id of the year (``INC-2026-001``) and write the first batch.

        ``make`` is given the id. Raises RefusedError naming the open incident when the service
        has one, DuplicateRequestError when the batch's request was carried out before.
        """
        year = now.astimezone(UTC).year
        # The counter's row stays locked until the end: declarations go one after the other, and
        # a refused one leaves no gap.
        [counted] = await session.rows(
            """INSERT INTO counters (name, value) VALUES (:name, 1)
            ON CONFLICT (name) DO UPDATE SET value = counters.value + 1
            RETURNING value""",
            name=f"incidents/{year}",
        )
        incident_id = f"INC-{year}-{counted['value']:03d}"
        batch = make(incident_id)
        # Before the claim: a repeated request must hear that it was carried out, not that it is
        # in its own way.
        await _remember(session, batch.request_id, now)
        claimed = await session.rows(
            """INSERT INTO incidents (id, number, service, seq, opened_at)
            VALUES (:id, :number, :service, 0, :opened_at)
            ON CONFLICT (service) WHERE closed_at IS NULL DO NOTHING
            RETURNING id""",
            id=incident_id,
            number=counted["value"],
            service=service,
            opened_at=micros(now),
        )
        if not claimed:
            remedy = "Go on there, or resolve it before you declare another."
            raise await _occupied(session, service, remedy)
        seq = await _write_batch(session, incident_id, expected=0, batch=batch, now=now)
        return IncidentHead(
            id=incident_id, service=service, seq=seq, is_open=not batch.closes, opened_at=now
        )

    @writes
    async def append(
        self,
        session: Session,
        incident_id: str,
        *,
        expected: int,
        batch: Batch,
        now: datetime,
        lease: Lease | None = None,
    ) -> int:
        """Write a batch after event number ``expected``; returns the new last number.

        Raises ConcurrencyError when there are newer events, LeaseLostError when the lease's
        fence is not the current one, DuplicateRequestError for a repeated request, RefusedError
        when the batch reopens the incident while its service has another open one.
        """
        await _remember(session, batch.request_id, now)
        if lease is not None:
            await _hold(session, lease)
        return await _write_batch(session, incident_id, expected=expected, batch=batch, now=now)

    @reads
    async def load(
        self, session: Session, incident_id: str, *, after: int = 0
    ) -> tuple[Recorded, ...]:
        """An incident's events behind number ``after``, oldest first; empty for an unknown id."""
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

    @reads
    async def incidents(
        self,
        session: Session,
        *,
        service: str | None = None,
        open_only: bool = False,
        limit: int = 100,
    ) -> tuple[IncidentHead, ...]:
        """Incidents, newest first."""
        conditions = ["closed_at IS NULL"] * open_only
        conditions += ["service = :service"] * (service is not None)
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        rows = await session.rows(
            f"SELECT * FROM incidents {where} ORDER BY opened_at DESC, number DESC LIMIT :limit",  # noqa: S608 - the conditions are the constants above
            service=service,
            limit=limit,
        )
        return tuple(_head(row) for row in rows)

    @writes
    async def acquire(
        self, session: Session, name: str, *, owner: str, ttl: timedelta, now: datetime
    ) -> Lease | None:
        """Take or renew a lease; None while another owner's has not expired."""
        expires_at = now + ttl
        taken = await session.rows(
            """INSERT INTO leases (name, owner, fence, expires_at)
            VALUES (:name, :owner, 1, :expires_at)
            ON CONFLICT (name) DO UPDATE SET
                owner = excluded.owner,
                fence = leases.fence + CASE WHEN leases.owner = excluded.owner THEN 0 ELSE 1 END,
                expires_at = excluded.expires_at
            WHERE leases.owner = excluded.owner OR leases.expires_at <= :now
            RETURNING fence""",
            name=name,
            owner=owner,
            expires_at=micros(expires_at),
            now=micros(now),
        )
        if not taken:
            return None
        return Lease(name=name, owner=owner, fence=taken[0]["fence"], expires_at=expires_at)

    @writes
    async def release(self, session: Session, lease: Lease) -> None:
        """Give a lease back, so that the next owner gets a higher fence.

        Harmless when it was lost.
        """
        await session.rows(
            """UPDATE leases SET owner = '', expires_at = 0
            WHERE name = :name AND owner = :owner AND fence = :fence""",
            name=lease.name,
            owner=lease.owner,
            fence=lease.fence,
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


async def _hold(session: Session, lease: Lease) -> None:
    """Keep everybody else from taking the lease until this transaction ends."""
    # Writing the row, unchanged, is what locks it, in both databases.
    held = await session.rows(
        """UPDATE leases SET fence = fence
        WHERE name = :name AND owner = :owner AND fence = :fence
        RETURNING fence""",
        name=lease.name,
        owner=lease.owner,
        fence=lease.fence,
    )
    if not held:
        raise LeaseLostError(
            f"{lease.owner} no longer holds the lease {lease.name}.",
            "Another process has taken over; this one stops writing.",
        )


async def _write_batch(
    session: Session, incident_id: str, *, expected: int, batch: Batch, now: datetime
) -> int:
    last = expected + len(batch.events)
    moved = await session.rows(
        "UPDATE incidents SET seq = :last WHERE id = :id AND seq = :expected RETURNING *",
        id=incident_id,
        last=last,
        expected=expected,
    )
    if not moved:
        raise await _elsewhere(session, incident_id, expected)
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
    if batch.reopens and not _head(moved[0]).is_open:
        await _reopen(session, _head(moved[0]), now)
    await attach(session, incident_id, batch.attachments)
    await put_documents(session, batch.documents)
    # Last, because it locks the queue for everybody.
    await owe(session, batch.deliveries, now=now)
    return last


async def _elsewhere(session: Session, incident_id: str, expected: int) -> Exception:
    found = await session.rows("SELECT seq FROM incidents WHERE id = :id", id=incident_id)
    if not found:
        return NotFoundError(f"There is no incident {incident_id}.")
    return ConcurrencyError(
        f"{incident_id} stands at event {found[0]['seq']}, not at {expected}.",
        "Load it again and decide again.",
    )


async def _reopen(session: Session, closed: IncidentHead, now: datetime) -> None:
    """Take the claim on the service again, unless another incident has it."""
    # The counters' row locks out a declaration that would claim the service at the same moment.
    await session.rows(
        "UPDATE counters SET value = value WHERE name = :name RETURNING value",
        name=f"incidents/{now.astimezone(UTC).year}",
    )
    if await _open_incident(session, closed.service):
        raise await _occupied(session, closed.service, "Go on there.")
    await session.rows("UPDATE incidents SET closed_at = NULL WHERE id = :id", id=closed.id)


async def _occupied(session: Session, service: str, remedy: str) -> RefusedError:
    named = await _open_incident(session, service)
    about = f" ({named})" if named else ""
    return RefusedError(f"{service} already has an open incident{about}.", remedy)


async def _open_incident(session: Session, service: str) -> str:
    rows = await session.rows(
        "SELECT id FROM incidents WHERE service = :service AND closed_at IS NULL", service=service
    )
    return str(rows[0]["id"]) if rows else ""


def _head(row: Row) -> IncidentHead:
    return IncidentHead(
        id=row["id"],
        service=row["service"],
        seq=row["seq"],
        is_open=row["closed_at"] is None,
        opened_at=instant(row["opened_at"]),
    )
