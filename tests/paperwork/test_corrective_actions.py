"""Corrective actions as tired people type them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalog.paperwork import WorkingHours
from bot.incident.events import CorrectiveAction
from bot.incident.state import ActionState
from bot.paperwork.model import NotAnActionError, next_ask, parse_actions

TODAY = date(2026, 11, 20)


def one(line: str) -> tuple[str, str, date | None]:
    (action,) = parse_actions(line, today=TODAY)
    return action.text, action.owner, action.due


@pytest.mark.parametrize(
    ("line", "text", "owner", "due"),
    [
        ("Test two currencies @anna 2026-12-01", "Test two currencies", "anna", "2026-12-01"),
        ("Test two currencies 2026-12-01 @anna", "Test two currencies", "anna", "2026-12-01"),
        ("@anna Test two currencies by 2026-12-01", "Test two currencies", "anna", "2026-12-01"),
        ("- Test it, @anna, by 2026-12-01.", "Test it,", "anna", "2026-12-01"),
        ("2) Alert on refunds @ben @carla", "Alert on refunds", "ben, carla", None),
        ("Alert on refunds", "Alert on refunds", "", None),
        ("Alert on refunds due: 2026-12-1", "Alert on refunds", "", "2026-12-01"),
        ("Ask @ops for a quota in 2026-12-01's plan", "Ask @ops for a quota in 2026-12-01's plan",
         "", None),
        ("Test it anna@example.com", "Test it", "anna@example.com", None),
        ("Test it <@U0ANA0001>", "Test it", "U0ANA0001", None),
        ("Test it <@U0ANA0001|ana> 2026-12-01", "Test it", "U0ANA0001", "2026-12-01"),
        ("Roll out v2.1.1", "Roll out v2.1.1", "", None),
        ("Stand by", "Stand by", "", None),
        ("Fix 1.2.3", "Fix 1.2.3", "", None),
    ],
)  # fmt: skip
def test_who_and_when_are_read_where_people_write_them(
    line: str, text: str, owner: str, due: str | None
) -> None:
    expected = date.fromisoformat(due) if due else None
    assert one(line) == (text, owner, expected)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Test it @anna 01.12.2026", "write the day “01.12.2026” as year-month-day"),
        ("Test it 12/01/2026", "like 2026-12-04"),
        ("Test it 2026-13-01", "there is no day 2026-13-01"),
        ("Test it 2025-12-01", "2025-12-01 is over"),
        ("Test it 2026-12-01 2026-12-02", "two days"),
        ("@anna 2026-12-01", "say what is to be done"),
    ],
)
def test_what_cannot_be_understood_is_explained_with_its_line(line: str, told: str) -> None:
    with pytest.raises(NotAnActionError, match="Line 3: ") as refused:
        parse_actions(f"Fine\n\n{line}\nFine too", today=TODAY)
    assert told in str(refused.value)


def test_every_wrong_line_is_named_at_once() -> None:
    with pytest.raises(NotAnActionError) as refused:
        parse_actions("Test it 2025-01-01\nFine\n@anna", today=TODAY)
    assert "Line 1:" in str(refused.value)
    assert "Line 3:" in str(refused.value)


@given(st.text(max_size=80))
def test_every_text_is_taken_or_explained(text: str) -> None:
    try:
        told = [action.text for action in parse_actions(text, today=TODAY)]
    except NotAnActionError as refused:
        told = [str(refused)]
    assert all(words.strip() for words in told)


HOURS = WorkingHours(zone="Europe/Berlin")
RESOLVED = datetime(2026, 11, 20, 15, tzinfo=UTC)  # a Friday
WEEK = timedelta(days=7)


def ask(action: CorrectiveAction, state: ActionState | None = None) -> datetime:
    return next_ask(action, state or ActionState(), resolved_at=RESOLVED, every=WEEK, hours=HOURS)


def test_an_action_is_asked_after_in_the_morning_of_its_day_or_of_the_next_working_day() -> None:
    assert ask(CorrectiveAction(text="a", due=date(2026, 12, 1))) == datetime(
        2026, 12, 1, 8, tzinfo=UTC
    )
    assert ask(CorrectiveAction(text="a", due=date(2026, 12, 5))) == datetime(
        2026, 12, 7, 8, tzinfo=UTC
    )


def test_what_is_due_today_is_not_asked_after_at_once() -> None:
    assert ask(CorrectiveAction(text="a", due=date(2026, 11, 20))) == datetime(
        2026, 11, 23, 8, tzinfo=UTC
    )


def test_without_a_day_an_action_is_asked_after_every_week() -> None:
    first = ask(CorrectiveAction(text="a"))
    assert first == datetime(2026, 11, 27, 8, tzinfo=UTC)
    again = ask(CorrectiveAction(text="a"), ActionState(asked_at=first))
    assert again == datetime(2026, 12, 4, 8, tzinfo=UTC)
