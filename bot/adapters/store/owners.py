"""Owners: processes that made themselves known as living, and what a dead one leaves behind."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bot.adapters.store.deliveries import lapse_old_cards, lock_queue
from bot.adapters.store.mapping import micros
from bot.adapters.store.session import Param, Session


async def enter(session: Session, name: str, *, home: str) -> None:
    """Write down that an owner lives, and where that can be told."""
    await session.rows(
        """INSERT INTO owners (name, home) VALUES (:name, :home)
        ON CONFLICT (name) DO UPDATE SET home = excluded.home""",
        name=name,
        home=home,
    )


async def known(session: Session) -> tuple[str, ...]:
    """The names of all owners."""
    return await _names(session, "SELECT name FROM owners")


async def at_home(session: Session, home: str) -> tuple[str, ...]:
    """The names of the owners whose life can be told at this home, sorted."""
    return await _names(
        session, "SELECT name FROM owners WHERE home = :home ORDER BY name", home=home
    )


async def bury(session: Session, names: Iterable[str], *, home: str) -> tuple[str, ...]:
    """Free everything that these owners of one home hold, and forget them; those still known."""
    buried: list[str] = []
    for name in names:
        buried += await _names(
            session,
            "DELETE FROM owners WHERE name = :name AND home = :home RETURNING name",
            name=name,
            home=home,
        )
    if not buried:
        return ()
    for name in buried:
        await session.rows(
            "UPDATE leases SET owner = '', expires_at = 0 WHERE owner = :name", name=name
        )
    # The queue last, as everywhere: it is locked for everybody.
    await lock_queue(session)
    for name in buried:
        await session.rows(
            """UPDATE deliveries SET state = 'owed', unknown = TRUE
            WHERE state = 'in_flight' AND claimed_by = :name""",
            name=name,
        )
    await lapse_old_cards(session)
    return tuple(buried)


async def forget_strangers(session: Session, *, home: str, now: datetime) -> None:
    """Drop owners of other homes that hold nothing any more: nobody here will ever bury them."""
    await session.rows(
        """DELETE FROM owners WHERE home <> :home
            AND NOT EXISTS (SELECT 1 FROM leases
                WHERE leases.owner = owners.name AND leases.expires_at > :now)
            AND NOT EXISTS (SELECT 1 FROM deliveries
                WHERE deliveries.state = 'in_flight' AND deliveries.claimed_by = owners.name)""",
        home=home,
        now=micros(now),
    )


async def _names(session: Session, sql: str, **params: Param) -> tuple[str, ...]:
    return tuple(row["name"] for row in await session.rows(sql, **params))
