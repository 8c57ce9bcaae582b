"""Corrective actions: how people write them, how each is told apart, and when one is asked after.

One action a line, with who and by when at its end:
``Add a test for two currencies @anna 2026-12-01``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from bot.domain.events import CorrectiveAction
from bot.domain.incident import ActionState, Incident
from bot.domain.working_hours import WorkingHours

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
