"""Corrective actions: how people write them, how each is told apart, and when one is asked after.

One action a line, with who and by when at its end:
``Add a test for two currencies @anna 2026-12-01``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from bot.catalog.paperwork import WorkingHours
from bot.core.values import Actor, Instant, Value
from bot.incident.events import CorrectiveAction, PostMortemScheduled
from bot.incident.state import ActionState, Incident

_BULLET = re.compile(r"^(?:[-*•–]|\d{1,2}[.)])\s+")
_PERSON = re.compile(r"<?@([\w.+-]+(?:@[\w.-]+\.\w+)?)(?:\|[^>]*)?>?[,;.]?")
_EMAIL = re.compile(r"([^@\s<>]+@[^@\s<>]+\.[^@\s<>,;]+)[,;.]?")
_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})[,;.]?")
_ANOTHER_DAY = re.compile(r"\d{4}[./]\d{1,2}[./]\d{1,2}[,;.]?|\d{1,2}[./-]\d{1,2}[./-]\d{4}[,;.]?")
"""With a year of four digits: what has shorter numbers may be a version."""
_LINKING = frozenset({"by", "due", "due:", "until", "till", "owner", "owner:", "-", "–", "—"})


class NotAnActionError(Exception):
    """Lines that cannot be taken; the message says which, and what to write instead."""


def parse_actions(text: str, *, today: date) -> tuple[CorrectiveAction, ...]:
    """One action for each line that is not empty.

    Who and when may stand in either order at the end, or the person first. A mention or a day
    within the sentence belongs to the sentence. Raises NotAnActionError that names every line.
    """
    actions, problems = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        words = _BULLET.sub("", line.strip())
        if not words:
            continue
        try:
            actions.append(_action(words, today))
        except ValueError as error:
            problems.append(f"Line {number}: {error}")
    if problems:
        raise NotAnActionError(" ".join(problems))
    return tuple(actions)


def _action(line: str, today: date) -> CorrectiveAction:
    """Raises ValueError that says what to write."""
    words = line.split()
    owners: list[str] = []
    due: date | None = None
    while words:
        if owner := _owner(words[-1]):
            owners.insert(0, owner)
        elif (day := _day(words[-1], today)) is not None:
            if due is not None:
                raise ValueError("it has two days; name one.")
            due = day
        elif not ((owners or due) and words[-1].lower() in _LINKING):
            break
        words.pop()
    while words and not owners and (owner := _owner(words[0])):
        owners.append(owner)
        words.pop(0)
    if not words:
        raise ValueError("say what is to be done, too.")
    return CorrectiveAction(text=" ".join(words), owner=", ".join(owners), due=due)


def _owner(word: str) -> str:
    found = _PERSON.fullmatch(word) or _EMAIL.fullmatch(word)
    return found[1].rstrip(".") if found else ""


def _day(word: str, today: date) -> date | None:
    found = _DAY.fullmatch(word)
    if found is None:
        if _ANOTHER_DAY.fullmatch(word):
            raise ValueError(f"write the day “{word}” as year-month-day, like {_example(today)}.")
        return None
    try:
        day = date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        raise ValueError(f"there is no day {word}; write it like {_example(today)}.") from None
    # People east of UTC may be a day ahead, those west of it a day behind.
    if day < today - timedelta(days=1):
        raise ValueError(f"{word} is over; name a day to come.")
    return day


def _example(today: date) -> str:
    return f"{today + timedelta(days=14):%Y-%m-%d}"


def identity(incident: Incident, action: CorrectiveAction) -> str:
    """What tells an action of an incident from every other, also after it was resolved anew."""
    told = f"{incident.id}|{incident.opened_at.isoformat()}|{action.text}"
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def open_actions(incident: Incident) -> Iterator[tuple[int, CorrectiveAction, ActionState]]:
    """The actions that are not done nor taken for dropped, with their places."""
    actions = incident.conclusion.corrective_actions if incident.conclusion else ()
    for index, action in enumerate(actions):
        state = incident.actions.get(index, ActionState())
        if state.done_at is None and not state.dropped:
            yield index, action, state


def next_ask(
    action: CorrectiveAction,
    state: ActionState,
    *,
    resolved_at: datetime,
    every: timedelta,
    hours: WorkingHours,
) -> datetime:
    """When somebody is asked how an open action stands: when it is due, and then every so often.

    Always in the first working hour of a day: a question at night helps nobody.
    """
    if state.asked_at is not None:
        return hours.opening(hours.local_day(state.asked_at + every))
    if action.due is not None:
        # What is due today was spoken of a moment ago.
        tomorrow = hours.local_day(resolved_at + timedelta(days=1))
        return hours.opening(max(action.due, tomorrow))
    return hours.opening(hours.local_day(resolved_at + every))


# The meeting that learns from an incident: when it is held, and with whom (procedure 6.3).

EARLIEST = timedelta(hours=24)
"""After the resolution: people sleep first, and figures come in."""
LATEST = timedelta(hours=48)
"""By then people still remember."""


class Slot(Value):
    """A time for the meeting."""

    start: Instant
    minutes: int
    zone: str
    late: bool
    """Whether it begins more than 48 hours after the resolution, because nobody works by then."""


def choose_slot(resolved_at: datetime, now: datetime, *, minutes: int, hours: WorkingHours) -> Slot:
    """The first time for the meeting in working hours, 24 to 48 hours after the resolution.

    A weekend or a holiday pushes it to the next working day. ``now`` matters only when nobody
    could choose for more than a day: nobody is invited at less than an hour's notice.
    """
    earliest = max(resolved_at + EARLIEST, now + timedelta(hours=1))
    start = hours.first_fit(earliest, minutes=minutes)
    late = start > resolved_at + LATEST
    return Slot(start=start, minutes=minutes, zone=hours.zone, late=late)


def is_late(incident: Incident, start: datetime) -> bool:
    """Whether a meeting at this time is later than the procedure asks for."""
    return incident.resolved_at is not None and start > incident.resolved_at + LATEST


def needs_slot(incident: Incident) -> bool:
    """Whether a resolved incident still lacks its meeting.

    A meeting from before the incident was opened again stays when it is late enough to speak of
    the relapse too; one that a person has moved stays while it is to come.
    """
    meeting, resolved_at = incident.post_mortem, incident.resolved_at
    if resolved_at is None:
        return False
    if meeting is None:
        return True
    held_by = resolved_at if meeting.by else resolved_at + EARLIEST
    return meeting.start < held_by


def involved(incident: Incident) -> tuple[Actor, ...]:
    """Everybody who had a part, each once, in the order in which they came in."""
    found: dict[str, Actor] = {}
    for actor in _everybody(incident):
        if not actor.is_bot:
            found.setdefault(actor.id, actor)
    return tuple(found.values())


def _everybody(incident: Incident) -> Iterator[Actor]:
    yield incident.declared.by
    for role in incident.team or ():
        yield from role.people
    for approval in incident.approvals:
        yield approval.by
    for used in incident.break_glass:
        yield used.by
        yield used.approver
    if incident.rejection:
        yield incident.rejection.by
    if incident.abort_by:
        yield incident.abort_by
    if incident.resolved_by:
        yield incident.resolved_by


def end_of(meeting: PostMortemScheduled) -> datetime:
    """When the meeting is over."""
    return meeting.start + timedelta(minutes=meeting.minutes)


def reminder_due(incident: Incident, now: datetime, *, before: timedelta) -> bool:
    """Whether the channel is to be reminded now; never after the meeting has begun."""
    meeting = incident.post_mortem
    if meeting is None or incident.post_mortem_reminded:
        return False
    return meeting.start - before <= now < meeting.start
