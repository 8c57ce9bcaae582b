"""The part of the Store that knows which processes live, for both databases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime

import structlog

from bot.adapters.store import owners
from bot.adapters.store.session import Session, T, Work
from bot.errors import RollbackBotError

log = structlog.get_logger()


class OwnedStore(ABC):
    """``register`` and ``bury`` of the Store; a subclass makes the marks of life.

    The mark is made before the owner is written down, so that what is written down and has no
    mark is dead.
    """

    def __init__(self) -> None:
        # The owner that lives in this process, and the home where it is registered.
        self._owner: tuple[str, str] | None = None

    @abstractmethod
    async def _read(self, work: Work[T]) -> T:
        """Run a transaction that changes nothing."""

    @abstractmethod
    async def _write(self, work: Work[T]) -> T:
        """Run a transaction: all of it is durable on return, or nothing has happened."""

    @abstractmethod
    async def _show_life(self, owner: str) -> str | None:
        """Make the mark that only a living process can hold; harmless when repeated.

        Returns the home where others can see it, None when they could not rely on it. Raises
        PermanentError when another living process holds it.
        """

    @abstractmethod
    async def _home(self, session: Session) -> str:
        """The home whose marks of life can be seen from here."""

    @abstractmethod
    async def _is_dead(self, session: Session, owner: str) -> bool:
        """Whether nobody holds the mark of an owner of our home; doubt means no."""

    async def register(self, owner: str) -> None:
        """Make this process known as living until it ends or closes the store."""
        if self._owner and self._owner[0] != owner:
            raise ValueError(f"This store is open for {self._owner[0]}, not for {owner}.")
        home = await self._show_life(owner)
        if home is None:
            return
        is_new = self._owner is None

        async def enter(session: Session) -> None:
            if is_new:
                await owners.bury(session, [owner], home=home)
            await owners.enter(session, owner, home=home)

        await self._write(enter)
        self._owner = (owner, home)

    async def bury(self, *, now: datetime) -> tuple[str, ...]:
        """Free what registered owners hold that are provably dead; returns their names."""

        async def work(session: Session) -> tuple[str, ...]:
            home = await self._home(session)
            await owners.forget_strangers(session, home=home, now=now)
            candidates = await owners.at_home(session, home)
            dead = [name for name in candidates if await self._is_dead(session, name)]
            if self._owner and self._owner[0] in dead:
                return ()  # our own mark is lost, and so perhaps that of others who live
            return await owners.bury(session, dead, home=home)

        return await self._write(work)

    async def _leave(self) -> bool:
        """Free what the owner of this process still holds; False leaves that to others."""
        leaving, self._owner = self._owner, None
        if leaving is None:
            return False
        owner, home = leaving
        try:
            await self._write(lambda s: owners.bury(s, [owner], home=home))
        except RollbackBotError as error:
            log.warning("could not leave the store in order", owner=owner, error=str(error))
            return False
        return True
