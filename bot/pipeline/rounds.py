"""One look at every document of a kind: what the scheduler calls, where nothing may end it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from bot.domain.values import Value
from bot.errors import RollbackBotError
from bot.pipeline.context import Context

log = structlog.get_logger()

V = TypeVar("V", bound=Value)


async def each(
    context: Context, kind: str, model: type[V], look: Callable[[Context, V], Awaitable[None]]
) -> None:
    """Look at every document of this kind, one behind the other.

    Whatever one of them causes stops no other: it is logged, and looked at again next time.
    """
    for document in await context.store.documents(kind):
        try:
            await look(context, model.model_validate(document.body))
        except RollbackBotError as error:
            log.warning("not looked after", kind=kind, document=document.id, error=str(error))
        except Exception:
            # A defect, or a document that another version of the bot has written.
            log.exception("not looked after", kind=kind, document=document.id)
