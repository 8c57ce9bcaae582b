"""Incidents: their ids, their events, their claim on a service, and who may work on them."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import structlog

from bot.core.errors import (
    ConcurrencyError,
    DuplicateRequestError,
    LeaseLostError,
    NotFoundError,
    PermanentError,
    RefusedError,
    RollbackBotError,
)
from bot.incident.events import EVENT, Recorded
from bot.store.deliveries import lapse_old_cards, lock_queue, owe
from bot.store.documents import attach, put_documents
from bot.store.schema import Row, Session, Transactions, instant, micros, reads, writes
from bot.store.values import Batch, IncidentHead, Lease


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


# Processes that show that they live, so that what a dead one holds is free at once.
#
# Each holds something that ends with its process and at no other time: a locked file beside a
# SQLite file, a session of PostgreSQL. The ``home`` of an owner names it. It is made before the
# owner is written down, so that who is written down and has it no more is dead.

log = structlog.get_logger()

_AGAIN_SECONDS = 0.02


class Owners(Transactions):
    """Who lives, and what happens to the work of those who died."""

    def __init__(self, *, patience: float) -> None:
        """``patience``: after so many seconds the one who has our name is alive."""
        self._patience = patience
        # The owner that lives in this process, and its home.
        self._owner: tuple[str, str] | None = None

    @abstractmethod
    async def _show_life(self) -> str | None:
        """The home of this process, made at the first call; None when others cannot rely on it.

        Raises PermanentError when it cannot be made.
        """

    @abstractmethod
    async def _is_dead(self, session: Session, home: str) -> bool | None:
        """Whether the process of this home is dead; None when that cannot be told from here."""

    async def register(self, owner: str) -> None:
        """Make this process known as living until it ends or closes the store.

        Called once after ``start``, before anything is acquired or claimed under the name;
        repeating it is harmless. A dead predecessor of the same name is buried. Where a living
        process could not be told from a dead one, the owner stays unregistered, with a warning.
        Raises PermanentError when another living process has the name, or when its mark of life
        cannot be made.
        """
        if self._owner and self._owner[0] != owner:
            raise ValueError(f"This store is open for {self._owner[0]}, not for {owner}.")
        home = await self._show_life()
        if home is None:
            log.warning("a pooler hides whether this process lives", owner=owner)
            return
        deadline = time.monotonic() + self._patience
        while not await self._write(lambda session: self._enter(session, owner, home)):
            if time.monotonic() > deadline:
                raise PermanentError(
                    f"Another living process works on the store as {owner}.",
                    "Stop it, or give each process its own name.",
                )
            await asyncio.sleep(_AGAIN_SECONDS)
        self._owner = owner, home

    async def bury(self) -> tuple[str, ...]:
        """Free what registered owners hold that are provably dead; returns their names, sorted.

        Their leases can be acquired at once, under a higher fence. Their claims are given back
        and come with ``unknown=True``. A process that is alive is never buried, however long it
        stands still, and of several that bury at once only one is told a name. An owner that
        never registered is left to its ttls, and so is one whose life cannot be told from here:
        its file was removed by hand, or PostgreSQL was restarted since it registered.
        """

        async def work(session: Session) -> tuple[str, ...]:
            dead: dict[str, str] = {}
            for row in await session.rows("SELECT name, home FROM owners ORDER BY name"):
                is_dead = await self._is_dead(session, row["home"])
                if is_dead:
                    dead[row["name"]] = row["home"]
                elif is_dead is None:
                    await _forget(session, row["name"], row["home"])  # nobody will ever know
            if self._owner and self._owner[0] in dead:
                return ()  # our own mark is lost, and so perhaps that of others who live
            return await _free(session, dead)

        return await self._write(work)

    async def _leave(self) -> bool:
        """Free what the owner of this process still holds; False leaves that to others."""
        leaving, self._owner = self._owner, None
        try:
            if leaving is not None:
                await self._write(lambda session: _free(session, dict([leaving])))
        except RollbackBotError as error:
            log.warning("could not leave the store in order", owner=leaving, error=str(error))
            return False
        return True

    async def _enter(self, session: Session, owner: str, home: str) -> bool:
        """Write down that an owner lives; False while another process has the name."""
        for row in await session.rows("SELECT home FROM owners WHERE name = :name", name=owner):
            before = row["home"]
            if self._owner != (owner, before):
                is_dead = await self._is_dead(session, before)
                if is_dead is False:
                    return False
                if is_dead:
                    await _free(session, {owner: before})
            await _forget(session, owner, before)
        entered = await session.rows(
            """INSERT INTO owners (name, home) VALUES (:name, :home)
            ON CONFLICT (name) DO NOTHING RETURNING name""",
            name=owner,
            home=home,
        )
        return bool(entered)


async def _free(session: Session, dead: Mapping[str, str]) -> tuple[str, ...]:
    """Free everything that these owners hold, and forget them; those who were still known.

    An owner that has found another home since is alive.
    """
    freed = [name for name, home in dead.items() if await _forget(session, name, home)]
    if not freed:
        return ()
    names = [{"name": name} for name in freed]
    await session.many("UPDATE leases SET owner = '', expires_at = 0 WHERE owner = :name", names)
    # The queue last, as everywhere: it is locked for everybody.
    await lock_queue(session)
    await session.many(
        """UPDATE deliveries SET state = 'owed', unknown = TRUE
        WHERE state = 'in_flight' AND claimed_by = :name""",
        names,
    )
    await lapse_old_cards(session)
    return tuple(freed)


async def _forget(session: Session, name: str, home: str) -> bool:
    """Strike an owner off; False for one that is gone already, or at home elsewhere by now."""
    gone = await session.rows(
        "DELETE FROM owners WHERE name = :name AND home = :home RETURNING name",
        name=name,
        home=home,
    )
    return bool(gone)
