"""When people work: in one time zone, on some weekdays, without holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.domain.values import Value

QUARTER = timedelta(minutes=15)
"""Every offset of today's time zones is a multiple of it."""


class WorkingHours(Value):
    """The hours in which meetings are held and people are asked."""

    zone: str = "UTC"
    """Name of the time zone, as in the tz database."""
    begins: time = time(9)
    ends: time = time(17)
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Monday is 0."""
    holidays: tuple[date, ...] = ()

    def is_working_day(self, day: date) -> bool:
        """Whether people work on this day of their calendar."""
        return day.weekday() in self.weekdays and day not in self.holidays

    def first_fit(self, earliest: datetime, *, minutes: int) -> datetime:
        """The first moment from ``earliest`` on, in UTC, at which such a meeting fits.

        Meetings begin at the full or the half hour of people's clocks. Time goes in steps of UTC,
        so that an hour which the clocks leave out or repeat is neither lost nor counted twice.
        Some working day must be long enough; the catalog sees to that.
        """
        zone = ZoneInfo(self.zone)
        moment = _rounded_up(earliest)
        while not self._fits(moment, minutes, zone):
            local = moment.astimezone(zone)
            over = local.time() >= self.ends or not self.is_working_day(local.date())
            moment = self._next_day(local) if over else moment + QUARTER
        return moment

    def opening(self, day: date) -> datetime:
        """The moment, in UTC, at which work begins on this day or on the next working day."""
        while not self.is_working_day(day):
            day += timedelta(days=1)
        return datetime.combine(day, self.begins, ZoneInfo(self.zone)).astimezone(UTC)

    def local_day(self, moment: datetime) -> date:
        """The day that people's calendars show at this moment."""
        return moment.astimezone(ZoneInfo(self.zone)).date()

    def _fits(self, moment: datetime, minutes: int, zone: ZoneInfo) -> bool:
        start = moment.astimezone(zone)
        end = (moment + timedelta(minutes=minutes)).astimezone(zone)
        return (
            start.minute % 30 == 0
            and self.is_working_day(start.date())
            and start.date() == end.date()
            and self.begins <= start.time()
            and end.time() <= self.ends
        )

    def _next_day(self, local: datetime) -> datetime:
        day = local.date() + timedelta(days=1)
        midnight = datetime.combine(day, time(0), local.tzinfo).astimezone(UTC)
        # Where the clocks change at midnight, the day may begin an hour later than it seems.
        return max(_rounded_up(midnight), _rounded_up(local.astimezone(UTC)) + QUARTER)


def _rounded_up(moment: datetime) -> datetime:
    seconds = int(QUARTER.total_seconds())
    return datetime.fromtimestamp(-(-moment.timestamp() // seconds) * seconds, tz=UTC)
