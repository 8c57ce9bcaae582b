"""What a step left for people to take away is said again, once a day, until it is gone."""

from __future__ import annotations

from datetime import timedelta

from bot.communication.blocks import Message, compose, context, header, section
from bot.communication.frame import stakeholder_channels
from bot.communication.markup import code_block, escape, inline, moment, plain
from bot.communication.notices import notices
from bot.core.backoff import within
from bot.core.errors import NotFoundError, RollbackBotError
from bot.core.values import Instant, Value
from bot.engine.context import Context
from bot.engine.engine import each
from bot.engine.world import StepState
from bot.incident.plan import Step
from bot.incident.state import Incident
from bot.store.values import Document

# The message that says again what a rollback left behind for people to take away.


def left_behind(
    service: str, incident_id: str, step: Step, *, seen: str, since: Instant
) -> Message:
    """What still stands since when, and how it is taken away."""
    name = plain(service, 40)
    said = f"⏸️ {name}: what {plain(incident_id, 40)} has done for the time being still stands"
    what, by_hand = step.reminder, step.inverse.command if step.inverse else ""
    blocks = [
        header(said),
        section(f"{inline(seen, 500)} {inline(what, 500)}"),
        *([section(code_block(by_hand, 2_500))] if by_hand else []),
        context(f"So since {moment(since)}. This is said once a day until it is taken away."),
    ]
    return compose(f"{escape(said)}. {inline(seen, 300)} {inline(what, 300)}", blocks)


KIND = "reminder"
AGAIN = timedelta(days=1)
PATIENCE = timedelta(seconds=30)
"""So long one look may take; the next round looks again."""


class Reminder(Value):
    """The step whose end state should not stand for ever, and when that is said next."""

    incident_id: str
    service: str
    step: Step
    since: Instant
    due: Instant
    channels: tuple[str, ...]


def of_step(context: Context, incident: Incident, index: int) -> tuple[Document, ...]:
    """To be written with the step's result, whatever it is: a look tells whether anything stands.

    An incident at a terminal has no channel: its stakeholders are told, by the bot that serves.
    """
    step = incident.plan.steps[index] if incident.plan else None
    if step is None or not step.reminder:
        return ()
    service, now = incident.declared.service, context.clock.now()
    own = (incident.channel.channel_id,) if incident.channel else ()
    reminder = Reminder(
        incident_id=incident.id,
        service=step.service or service,
        step=step,
        since=now,
        due=now + AGAIN,
        channels=own or stakeholder_channels(context.catalog, service),
    )
    return (_document(reminder),)


async def look(context: Context) -> None:
    """Look at every reminder that is due; called by the scheduler. One failing stops no other."""
    await each(context, KIND, Reminder, _look_at)


async def _look_at(context: Context, reminder: Reminder) -> None:
    now = context.clock.now()
    if now < reminder.due:
        return
    step = reminder.step
    looking = context.step_kind(step.action.kind).observe(step, context.world)
    observed = await within(PATIENCE, looking, "The live system")
    if isinstance(observed, RollbackBotError) and not isinstance(observed, NotFoundError):
        raise observed
    if isinstance(observed, RollbackBotError) or observed.state is not StepState.AFTER:
        await context.store.delete(KIND, _id(reminder))
        return
    message = left_behind(
        reminder.service, reminder.incident_id, step, seen=observed.summary, since=reminder.since
    )
    turn = f"{_id(reminder)}/reminder/{reminder.due.timestamp():.0f}"
    await context.store.enqueue(notices(turn, message, reminder.channels), now=now)
    again = reminder.model_copy(update={"due": now + AGAIN})
    await context.store.put(_document(again))


def _id(reminder: Reminder) -> str:
    """One an incident and step: a rollback that is planned again reminds of its own."""
    return f"{reminder.incident_id}/{reminder.since.timestamp():.6f}"


def _document(reminder: Reminder) -> Document:
    """Without an expiry: it is gone when what it is about is gone."""
    return Document(kind=KIND, id=_id(reminder), body=reminder.model_dump(mode="json"))
