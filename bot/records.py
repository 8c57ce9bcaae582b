"""The store alone, for what is asked of the bot's records and of nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.adapters.store import Store, UntouchedSqlite, open_untouched
from bot.config.settings import Settings
from bot.errors import PermanentError


@asynccontextmanager
async def records(settings: Settings) -> AsyncIterator[Store]:
    """The store alone, for reading.

    Raises PermanentError where there is none: no record is not the same as nothing recorded.
    """
    store = open_untouched(settings.database_url)
    if isinstance(store, UntouchedSqlite) and not store.is_there:
        raise PermanentError(
            "There is no store where ROLLBACK_DATABASE_URL points, so nothing can be told.",
            "Set ROLLBACK_DATABASE_URL to the store of the bot that serves.",
        )
    await store.start()
    try:
        yield store
    finally:
        await store.close()
