"""What changed: the commits and pull requests between the target and the withdrawn release."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from pydantic import Field

from bot.catalog.paperwork import GitHubSettings
from bot.core.backoff import Backoff
from bot.core.errors import LeaseLostError, PermanentError, RollbackBotError, TemporaryError
from bot.core.values import Instant, Value
from bot.engine.context import Context
from bot.engine.journal import Decision
from bot.engine.outbox import say
from bot.incident import events as e
from bot.incident.events import AnyEvent, Noted
from bot.incident.state import Incident
from bot.store.values import Attachment, Document, Lease

# The document that says of an incident that something is still to come after its report.

KIND = "follow-up"
BACKOFF = Backoff(first=120.0, longest=3600.0)
ISSUES_EVERY = timedelta(hours=1)
"""How often GitHub is asked whether issues were closed."""


class FollowUpState(Value):
    """What the events do not tell: when others are asked next."""

    incident_id: str
    tries: int = 0
    """Later rounds of paperwork."""
    try_at: Instant
    until: Instant
    """After this, paperwork that still fails is left to people."""
    issues_at: Instant
    unseen: dict[int, Instant] = Field(default_factory=dict)
    """Actions whose issue GitHub does not show, and since when; a lost right is often given back
    within the week."""


async def set_up(context: Context, incident: Incident) -> None:
    """Have an incident looked after; from anew when it was resolved once more."""
    await put(context, _fresh(context, incident))


async def going_on(context: Context, incident: Incident) -> tuple[Document, ...]:
    """What has an incident looked after again if everything seemed to be over.

    To be written with the event that there is something to come.
    """
    if await context.store.get(KIND, incident.id) is not None:
        return ()
    return (_document(_fresh(context, incident)),)


async def load(context: Context, incident_id: str) -> FollowUpState | None:
    """What is remembered now; None when everything is over."""
    document = await context.store.get(KIND, incident_id)
    return FollowUpState.model_validate(document.body) if document else None


async def put(context: Context, state: FollowUpState) -> None:
    """Remember it."""
    await context.store.put(_document(state))


def _fresh(context: Context, incident: Incident) -> FollowUpState:
    now = context.clock.now()
    return FollowUpState(
        incident_id=incident.id,
        try_at=now + timedelta(seconds=BACKOFF.first),
        until=now + context.catalog.paperwork.retry_for,
        issues_at=now + ISSUES_EVERY,
    )


def _document(state: FollowUpState) -> Document:
    return Document(kind=KIND, id=state.incident_id, body=state.model_dump(mode="json"))


# One piece of paperwork, tried: within a time limit, alone, and with a note when it failed.

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


MOST_LISTED = 100
"""Commits, and pull requests, that an incident keeps; the link leads to all of them."""
PATIENCE = timedelta(seconds=15)
"""While people read the plan nothing waits for the comparison."""


def place_of(context: Context, incident: Incident) -> GitHubSettings | None:
    """The service's repository; None without one, or when the service has left the catalog."""
    entry = context.catalog.services.get(incident.declared.service)
    return entry.github if entry else None


def tags_of(context: Context, incident: Incident) -> tuple[str, str] | None:
    """Tags of the target and of the withdrawn release; None when code is not what is changed.

    A flag that is switched and a migration that is taken back have no tags.
    """
    place, plan = place_of(context, incident), incident.plan
    if place is None or plan is None or plan.undoes or plan.version_after is not None:
        return None
    return place.tag_of(plan.to_release), place.tag_of(plan.from_release)


def is_owed(context: Context, incident: Incident) -> bool:
    """Whether what changed is not known for the present plan."""
    tags, known = tags_of(context, incident), incident.compared
    return tags is not None and (known is None or (known.base, known.head) != tags)


async def write(context: Context, incident: Incident, lease: Lease | None) -> None:
    """Compare, and record what was found."""
    place, tags = place_of(context, incident), tags_of(context, incident)
    if place is None or tags is None:
        return
    base, head = tags
    found = await context.forge.compare(place, base, head)
    compared = e.ChangesCompared(
        base=base,
        head=head,
        url=found.url,
        # The newest are the likelier causes.
        commits=found.commits[-MOST_LISTED:],
        pull_requests=found.pull_requests[-MOST_LISTED:],
        total_commits=found.total_commits,
    )

    def still_owed(now: Incident) -> bool:
        # Another process may have told it meanwhile, or another plan be on the table.
        return tags_of(context, now) == tags and is_owed(context, now)

    await record_if(context, incident, compared, still_owed, lease=lease)


PAPER = Paper(name="What changed", is_owed=is_owed, write=write)


class Comparer:
    """Compares in the background as soon as a plan is known, once for each plan."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tried: dict[str, str] = {}
        self._running: set[asyncio.Task[None]] = set()

    def look(self, incident: Incident) -> None:
        """An incident has changed: compare if that is new. Never blocks."""
        plan = incident.plan
        if plan is None or not incident.is_open or self._tried.get(incident.id) == plan.hash:
            return
        if incident.channel is None or not is_owed(self._context, incident):
            return
        self._tried[incident.id] = plan.hash
        task = asyncio.create_task(self._compare(incident), name=f"compare {incident.id}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def stop(self) -> None:
        """End what runs; the report's paperwork makes it up."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _compare(self, incident: Incident) -> None:
        try:
            await attempt(self._context, incident, PAPER, patience=PATIENCE)
        except RollbackBotError as error:
            # The failure could not even be noted; it is tried again before the report.
            log.warning("comparison left", incident=incident.id, error=str(error))
