"""Meetings fall into working hours, whatever clocks and calendars do."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalog.paperwork import WorkingHours
from bot.paperwork.model import choose_slot

BERLIN = WorkingHours(zone="Europe/Berlin")
ZONES = st.sampled_from(
    (
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",
        "America/Havana",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    )
)
MOMENTS = st.integers(0, 5 * 365 * 24 * 60).map(
    lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
HOURS = st.builds(
    WorkingHours,
    zone=ZONES,
    begins=st.sampled_from((time(0), time(7, 30), time(9))),
    ends=st.sampled_from((time(12), time(17), time(23, 30))),
    weekdays=st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    holidays=st.lists(st.dates(date(2024, 1, 1), date(2029, 1, 1)), max_size=3).map(tuple),
)


@given(resolved_at=MOMENTS, hours=HOURS, minutes=st.integers(60, 90))
def test_every_slot_lies_within_working_hours_and_not_before_a_day_has_passed(
    resolved_at: datetime, hours: WorkingHours, minutes: int
) -> None:
    slot = choose_slot(resolved_at, resolved_at, minutes=minutes, hours=hours)
    zone = ZoneInfo(hours.zone)
    start = slot.start.astimezone(zone)
    end = (slot.start.astimezone(UTC) + timedelta(minutes=minutes)).astimezone(zone)
    assert slot.start >= resolved_at + timedelta(hours=24)
    assert hours.is_working_day(start.date())
    assert start.date() == end.date()
    assert hours.begins <= start.time()
    assert end.time() <= hours.ends
    assert start.minute in {0, 30}
    assert slot.late == (slot.start - resolved_at > timedelta(hours=48))


@given(resolved_at=MOMENTS, hours=HOURS, minutes=st.integers(60, 90))
def test_no_earlier_half_hour_would_have_done(
    resolved_at: datetime, hours: WorkingHours, minutes: int
) -> None:
    slot = choose_slot(resolved_at, resolved_at, minutes=minutes, hours=hours)
    earlier = slot.start - timedelta(minutes=30)
    if earlier >= resolved_at + timedelta(hours=24):
        assert hours.first_fit(earlier, minutes=minutes) == slot.start


@given(resolved_at=MOMENTS, zone=ZONES, minutes=st.integers(60, 90))
def test_a_slot_is_late_only_when_days_off_lie_between(
    resolved_at: datetime, zone: str, minutes: int
) -> None:
    hours = WorkingHours(zone=zone)
    slot = choose_slot(resolved_at, resolved_at, minutes=minutes, hours=hours)
    if slot.late:
        day = resolved_at.astimezone(ZoneInfo(zone)).date() + timedelta(days=1)
        between = (slot.start.astimezone(ZoneInfo(zone)).date() - day).days
        assert any(not hours.is_working_day(day + timedelta(days=n)) for n in range(between))


@pytest.mark.parametrize(
    ("resolved_at", "start", "late"),
    [
        # A Monday at noon: the next day at the same time.
        ("2026-03-02T12:00+01:00", "2026-03-03T12:00+01:00", False),
        # In the evening: nobody works a day later at eight, so the morning after.
        ("2026-03-02T20:00+01:00", "2026-03-04T09:00+01:00", False),
        # Thursday evening: Friday evening is too late, and then comes the weekend.
        ("2026-03-05T20:00+01:00", "2026-03-09T09:00+01:00", True),
        # The clocks go forward on Sunday, 29 March: 24 hours after Saturday noon is one o'clock.
        ("2026-03-27T12:00+01:00", "2026-03-30T09:00+02:00", True),
        # And back on Sunday, 25 October.
        ("2026-10-25T10:00+01:00", "2026-10-26T10:00+01:00", False),
        # Ten past the hour: the next half hour.
        ("2026-03-02T12:10+01:00", "2026-03-03T12:30+01:00", False),
        # Too late in the afternoon for ninety minutes.
        ("2026-03-02T15:45+01:00", "2026-03-04T09:00+01:00", False),
    ],
)
def test_the_slot_that_a_person_would_choose(resolved_at: str, start: str, late: bool) -> None:
    moment = datetime.fromisoformat(resolved_at)
    slot = choose_slot(moment, moment, minutes=90, hours=BERLIN)
    assert (slot.start, slot.late) == (datetime.fromisoformat(start), late)


def test_a_holiday_pushes_the_meeting_to_the_next_working_day() -> None:
    good_friday = WorkingHours(zone="Europe/Berlin", holidays=(date(2026, 4, 3), date(2026, 4, 6)))
    resolved_at = datetime(2026, 4, 2, 10, tzinfo=UTC)
    slot = choose_slot(resolved_at, resolved_at, minutes=60, hours=good_friday)
    assert slot.start == datetime(2026, 4, 7, 7, tzinfo=UTC)
    assert slot.late


def test_nobody_is_invited_at_less_than_an_hours_notice() -> None:
    resolved_at = datetime(2026, 3, 2, 8, tzinfo=UTC)
    now = resolved_at + timedelta(hours=30)
    slot = choose_slot(resolved_at, now, minutes=60, hours=WorkingHours())
    assert slot.start == now + timedelta(hours=1)
