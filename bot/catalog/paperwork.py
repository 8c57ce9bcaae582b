"""The paperwork after an incident: GitHub, the release plan, the post-mortem, the actions."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AnyHttpUrl, Field, ValidationInfo, model_validator

from bot.catalog.types import Duration, SecretName, ServerUrl
from bot.core.values import Value
from bot.incident.assessment import Severity

# When people work: in one time zone, on some weekdays, without holidays.

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


FOLDER = "folder"
"""Key of the validation context: the folder that the catalog lies in."""
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _has_release(value: str) -> str:
    if "{release}" not in value:
        raise ValueError("write {release} where the release's name belongs, for example v{release}")
    return value


class IssueSettings(Value):
    """Corrective actions become issues of the service's repository."""

    labels: tuple[str, ...] = ("post-mortem",)
    """GitHub leaves them out when the token may not set labels."""


class GitHubSettings(Value):
    """The service's repository on GitHub, or on a GitHub Enterprise Server."""

    repository: str = Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")
    """``owner/name``."""
    token: SecretName | None = None
    """Needs to read contents and pull requests; to write contents for the release plan, and
    issues for corrective actions. None reads a public repository."""
    api_url: ServerUrl = AnyHttpUrl("https://api.github.com")
    """Of a GitHub Enterprise Server: ``https://github.example.com/api/v3``."""
    tag: Annotated[str, AfterValidator(_has_release)] = "{release}"
    """How a release's name becomes its tag."""
    issues: IssueSettings | None = None
    """None files no issues."""

    @model_validator(mode="after")
    def _writing_needs_a_token(self) -> GitHubSettings:
        if self.issues is not None and self.token is None:
            raise ValueError("issues need a token: name its environment variable under “token”")
        return self

    def tag_of(self, release: str) -> str:
        """The tag of a release."""
        return self.tag.replace("{release}", release)


class GitHubReleasePlan(Value):
    """The summary is appended to the withdrawn release's notes on GitHub."""

    provider: Literal["github"]


def _in_folder(value: str, info: ValidationInfo) -> str:
    folder = (info.context or {}).get(FOLDER)
    return str(Path(folder) / value) if folder else value


class FileReleasePlan(Value):
    """The summary is appended to a Markdown file."""

    provider: Literal["file"]
    path: Annotated[str, AfterValidator(_in_folder)]
    """Relative to the catalog; ``{release}`` and ``{service}`` are filled in."""

    def file_of(self, service: str, release: str) -> Path:
        """The file for a release; its name cannot lead into another folder."""
        names = {"{release}": release, "{service}": service}
        path = self.path
        for placeholder, name in names.items():
            path = path.replace(placeholder, re.sub(r"[^\w.+-]", "-", name).lstrip("."))
        return Path(path)


ReleasePlanSettings = Annotated[
    GitHubReleasePlan | FileReleasePlan, Field(discriminator="provider")
]
"""Where the rollback summary belongs; ``provider`` tells which kind of place it is."""


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"“{value}” is no time zone; write it like Europe/Berlin") from error
    return value


def _span(value: str) -> str:
    _times(value)
    return value


def _times(value: str) -> tuple[time, time]:
    found = _SPAN.fullmatch(value.strip())
    numbers = [int(part) for part in found.groups()] if found else [24]
    # A day ends at 23:59 here: no meeting goes on past midnight.
    if max(numbers[::2]) > 23 or max(numbers[1::2]) > 59:
        raise ValueError(f"“{value}” is no span of a day; write it like 09:00-17:00")
    begins, ends = time(numbers[0], numbers[1]), time(numbers[2], numbers[3])
    if begins >= ends:
        raise ValueError(f"“{value}” ends before it begins; write it like 09:00-17:00")
    return begins, ends


class PostMortemSettings(Value):
    """When the post-mortem is held, and how people are invited."""

    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """Name of the time zone, such as Europe/Berlin."""
    hours: Annotated[str, AfterValidator(_span)] = "09:00-17:00"
    """Working hours in that zone, HH:MM-HH:MM."""
    weekdays: tuple[Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], ...] = Field(
        default=("Mon", "Tue", "Wed", "Thu", "Fri"), min_length=1
    )
    """The days on which people work."""
    holidays: tuple[date, ...] = ()
    """Days on which nobody does."""
    minutes: dict[Severity, Annotated[int, Field(ge=15, le=240)]] = Field(default_factory=dict)
    """Length by severity. Otherwise 90 when critical, 75 when high, 60 else (procedure 6.3)."""
    organizer: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] | None = None
    """Address in whose name the invitation is; None takes that of the incident's lead."""
    email: str = ""
    """Name of the e-mail destination that carries invitations; empty sends none."""
    remind_before: Duration = timedelta(hours=1)
    """The channel is reminded so long before the meeting."""

    @model_validator(mode="after")
    def _meetings_fit(self) -> PostMortemSettings:
        begins, ends = _times(self.hours)
        # A meeting begins at a full or half hour: up to 29 minutes of the span may be lost.
        lost = -begins.minute % 30
        midnight = date(2000, 1, 1)
        span = datetime.combine(midnight, ends) - datetime.combine(midnight, begins)
        longest = max(self.length_of(severity) for severity in Severity)
        if span < timedelta(minutes=longest + lost):
            raise ValueError(f"a meeting of {longest} minutes does not fit into {self.hours}")
        return self

    @property
    def calendar(self) -> WorkingHours:
        """The working hours as the domain takes them."""
        begins, ends = _times(self.hours)
        days = tuple(sorted(_WEEKDAYS.index(day) for day in self.weekdays))
        return WorkingHours(
            zone=self.zone, begins=begins, ends=ends, weekdays=days, holidays=self.holidays
        )

    def length_of(self, severity: Severity) -> int:
        """Minutes that the meeting takes."""
        usual = {Severity.CRITICAL: 90, Severity.HIGH: 75}
        return self.minutes.get(severity, usual.get(severity, 60))


class PaperworkSettings(Value):
    """How long the bot waits for others, and how often it asks."""

    patience: Duration = timedelta(seconds=4)
    """The report waits so long for each round of paperwork; what is missing comes later."""
    retry_for: Duration = timedelta(days=3)
    """How long what failed is tried again."""
    ask_every: Duration = timedelta(days=7)
    """How often an open corrective action is asked after, once it is due."""
