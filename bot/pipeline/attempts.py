"""One piece of paperwork, tried: within a time limit, alone, and with a note when it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from bot.domain.events import AnyEvent, Noted
from bot.domain.incident import Incident
from bot.errors import LeaseLostError, PermanentError, RollbackBotError, TemporaryError
from bot.pipeline.context import Context
from bot.pipeline.journal import Decision
from bot.pipeline.notes import say
from bot.ports.store import Attachment, Lease

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A piece of paperwork that others have to take part in."""

    name: str
    """What notes call it."""
    is_owed: Callable[[Context, Incident], bool]
    write: Callable[[Context, Incident, Lease | None], Awaitable[None]]
    """Does it, and records that it is done; harmless when repeated."""


async def attempt(
    context: Context,
    incident: Incident,
    paper: Paper,
    *,
    lease: Lease | None = None,
    patience: timedelta | None = None,
) -> bool:
    """Try one paper; a failure is noted on the incident and stops nothing.

    Returns whether it is done. Raises LeaseLostError only.
    """
    seconds = (patience or context.catalog.paperwork.patience).total_seconds()
    try:
        async with asyncio.timeout(seconds):
            await paper.write(context, incident, lease)
    except LeaseLostError:
        raise
    except TimeoutError:
        what = f"It was not done within {seconds:g} s."
        await _note(context, incident, paper, TemporaryError(what), lease)
    except RollbackBotError as error:
        await _note(context, incident, paper, error, lease)
    except Exception as error:
        log.exception("paperwork failed unexpectedly", incident=incident.id, paper=paper.name)
        what = f"An unexpected error ({type(error).__name__})."
        trouble = PermanentError(what, "The bot's log has the details.")
        await _note(context, incident, paper, trouble, lease)
    else:
        over = Noted(subject=paper.name, what="")
        await say(context.journal, incident.id, over, lease=lease)
        return True
    return False


async def _note(
    context: Context,
    incident: Incident,
    paper: Paper,
    error: RollbackBotError,
    lease: Lease | None,
) -> None:
    log.warning("paperwork failed", incident=incident.id, paper=paper.name, error=str(error))
    remedy = error.remedy or "The bot tries again."
    noted = Noted(subject=paper.name, what=error.what, remedy=remedy)
    await say(context.journal, incident.id, noted, lease=lease)


async def record_if(
    context: Context,
    incident: Incident,
    event: AnyEvent,
    is_owed: Callable[[Incident], bool],
    *,
    lease: Lease | None = None,
    attachments: tuple[Attachment, ...] = (),
) -> Incident:
    """Record that a paper is done, unless another process has done it meanwhile."""

    def decide(now: Incident) -> Decision | None:
        return Decision(events=(event,), attachments=attachments) if is_owed(now) else None

    return await context.journal.record(incident.id, decide, lease=lease)
