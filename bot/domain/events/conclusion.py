"""The end: what people learned, and the paperwork."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, model_validator

from bot.domain.events.base import Event
from bot.domain.freeze import Freeze
from bot.domain.values import Actor, Instant, Value


class FollowUp(StrEnum):
    """What happens to the withdrawn release (procedure 6.2)."""

    HOTFIX = "Hotfix"
    DEFER = "Defer features"
    REPLAN = "Investigate and re-plan"


class CorrectiveAction(Value):
    """What keeps it from happening again, who does it, and by when."""

    text: str
    owner: str = ""
    """A reference to a person, as the catalog knows them, or a name; empty for nobody yet."""
    due: date | None = None

    @property
    def spoken(self) -> str:
        """The action with who does it and by when, in one line."""
        due = f"by {self.due:%Y-%m-%d}" if self.due else ""
        said = ", ".join(part for part in (self.owner, due) if part)
        return f"{self.text} ({said})" if said else self.text

    @model_validator(mode="before")
    @classmethod
    def _a_text_alone(cls, value: Any) -> Any:
        # Incidents of the first version have texts only.
        return {"text": value} if isinstance(value, str) else value


class Conclusion(Value):
    """What people add at the end."""

    root_cause: str
    corrective_actions: tuple[CorrectiveAction, ...] = ()
    went_well: str = ""
    to_improve: str = ""
    follow_up: FollowUp
    follow_up_timeline: str = ""
    impact: str = ""


class Resolved(Event):
    """People concluded the incident."""

    kind: Literal["resolved"] = "resolved"
    by: Actor
    conclusion: Conclusion


class ReportPublished(Event):
    """The finished report was handed to the deliveries under these file names."""

    kind: Literal["report_published"] = "report_published"
    files: tuple[str, ...]
    canvas: str = ""
    """Name of the file that is to become the channel's canvas; empty for none."""
    missing: tuple[str, ...] = ()
    """What could not be drawn, in words for people."""


class Commit(Value):
    """One change between two releases."""

    sha: str
    title: str
    author: str
    url: str = ""


class PullRequest(Value):
    """A pull request that came in between two releases."""

    number: int
    title: str
    author: str
    url: str = ""


class ChangesCompared(Event):
    """What the withdrawn release changed."""

    kind: Literal["changes_compared"] = "changes_compared"
    base: str
    head: str
    url: str
    """Where people see the comparison."""
    commits: tuple[Commit, ...] = ()
    pull_requests: tuple[PullRequest, ...] = ()
    total_commits: int = 0
    """More than ``commits`` lists when there are very many."""


class PostMortemScheduled(Event):
    """The meeting that learns from the incident."""

    kind: Literal["post_mortem_scheduled"] = "post_mortem_scheduled"
    start: Instant
    minutes: int
    zone: str
    """Name of the time zone in which the slot was chosen."""
    people: tuple[Actor, ...]
    addresses: dict[str, str] = Field(default_factory=dict)
    """E-mail addresses by the id of a person, of those that are known."""
    organizer: str = ""
    """The address in whose name people are invited; empty when none is known."""
    email: str = ""
    """Name of the catalog's destination that mails the invitation; empty mails none."""
    late: bool = False
    """Whether it begins more than 48 hours after the resolution."""
    by: Actor | None = None
    """Who moved it; None when the bot chose."""
    sequence: int = 0
    """How often it was moved: calendars take the highest."""


class PostMortemReminded(Event):
    """The channel was reminded of the meeting."""

    kind: Literal["post_mortem_reminded"] = "post_mortem_reminded"


class ActionFiled(Event):
    """A corrective action has an issue of its own."""

    kind: Literal["action_filed"] = "action_filed"
    index: int
    url: str


class ActionAsked(Event):
    """Somebody was asked how a corrective action stands."""

    kind: Literal["action_asked"] = "action_asked"
    index: int


class ActionDone(Event):
    """A corrective action is done."""

    kind: Literal["action_done"] = "action_done"
    index: int
    by: Actor | None = None
    """None when the issue was closed."""


class IssueGone(Event):
    """The host of a corrective action's issue does not show it any more; it is not asked again."""

    kind: Literal["issue_gone"] = "issue_gone"
    index: int
    url: str
    deleted: bool
    """The host says that somebody deleted it: the action is taken for dropped. False for an issue
    that is hidden or was moved out of sight: people are still asked how the action stands."""


class ReleasePlanUpdated(Event):
    """The rollback summary stands in the release plan."""

    kind: Literal["release_plan_updated"] = "release_plan_updated"
    where: str
    """A link or a file's path."""


class FreezeSet(Event):
    """Deployments of the service are to wait; the mark stands on these objects."""

    kind: Literal["freeze_set"] = "freeze_set"
    marks: tuple[str, ...]
    """``Deployment shop/checkout``: where the annotation was written."""
    problems: tuple[str, ...] = ()
    """Where it could not be written, and why."""
    freezes: tuple[Freeze, ...] = ()
    """One for every service that the rollback was about."""

    @property
    def plan_hash(self) -> str:
        """The rollback that it protects; empty in incidents of the first version."""
        return self.freezes[0].plan_hash if self.freezes else ""


class FreezeLifted(Event):
    """Deployments may go on."""

    kind: Literal["freeze_lifted"] = "freeze_lifted"
    by: Actor | None = None
    """None when a new rollback or the end of its time lifted it."""
    why: str = ""
    """In a clause, where nobody's wish says it."""
