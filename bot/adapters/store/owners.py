"""Processes that show that they live, so that what a dead one holds is free at once.

Each holds something that ends with its process and at no other time: a locked file beside a
SQLite file, a session of PostgreSQL. The ``home`` of an owner names it. It is made before the
owner is written down, so that who is written down and has it no more is dead.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Mapping

import structlog

from bot.adapters.store.deliveries import lapse_old_cards, lock_queue
from bot.adapters.store.session import Session, Transactions
from bot.errors import PermanentError, RollbackBotError

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
