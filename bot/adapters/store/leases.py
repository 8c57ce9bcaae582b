"""Leases: who may work on something, with a number that tells old owners from new ones."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.adapters.store.mapping import micros
from bot.adapters.store.session import Session
from bot.errors import LeaseLostError
from bot.ports.store import Lease


async def acquire(
    session: Session, name: str, *, owner: str, ttl: timedelta, now: datetime
) -> Lease | None:
    """Take or renew a lease; see ``Store.acquire``."""
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


async def release(session: Session, lease: Lease) -> None:
    """Give a lease back; the next owner gets a higher fence."""
    await session.rows(
        """UPDATE leases SET owner = '', expires_at = 0
        WHERE name = :name AND owner = :owner AND fence = :fence""",
        name=lease.name,
        owner=lease.owner,
        fence=lease.fence,
    )


async def hold(session: Session, lease: Lease) -> None:
    """Keep everybody else from taking the lease until this transaction ends.

    Raises LeaseLostError when it has been taken over or given back.
    """
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
