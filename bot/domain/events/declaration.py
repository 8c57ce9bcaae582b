"""How an incident begins: the decision, its place, its people."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from bot.domain.assessment import Assessment, Verdict
from bot.domain.detection import HeardAlert, noticed_by
from bot.domain.events.base import Event
from bot.domain.values import Actor, Fraction, Instant, Value


class Decision(Value):
    """The decision record of the procedure (1.2)."""

    reason: str
    affected_users: str
    alternatives: str
    rationale: str


class Role(StrEnum):
    """The team of the procedure (1.4)."""

    INCIDENT_COMMANDER = "Incident Commander"
    DEPLOYMENT_LEAD = "Deployment Lead"
    DATABASE_ADMINISTRATOR = "Database Administrator"
    MONITORING_OBSERVER = "Monitoring Observer"
    COMMUNICATION_COORDINATOR = "Communication Coordinator"


class Place(StrEnum):
    """Where the people of an incident read and decide."""

    SLACK = "slack"
    TERMINAL = "terminal"
    """Begun with ``rollback-bot run``: it has no channel, now or later."""


class RoleAssignment(Value):
    """Who fills a role; nobody when the catalog names no one who could be found."""

    role: Role
    people: tuple[Actor, ...]


class Declared(Event):
    """The incident began: somebody decided, on this assessment."""

    kind: Literal["declared"] = "declared"
    service: str
    bad_release: str
    target_release: str | None = None
    """The release asked for; None leaves the choice to the plan."""
    strategy: str | None = None
    parts: tuple[str, ...] = ()
    """Which parts of a composed rollback are wanted; empty for all."""
    assessment: Assessment
    verdict: Verdict
    decision: Decision
    by: Actor
    asked_in: str
    """Id of the channel in which the command was typed."""
    assessed_at: Instant
    """When the assessment was opened: the moment of detection, unless an alert was earlier."""
    place: Place = Place.SLACK
    alerts: tuple[HeardAlert, ...] = ()
    """Alerts of the service that fired when the assessment was opened, or that it was opened
    from."""
    error_limit: Fraction | None = None
    """The highest error rate that the service's own policy took for healthy then; None without a
    baseline."""

    def noticed_by(self, released_at: Instant | None) -> HeardAlert | None:
        """The alert that noticed it before anybody asked; None when there was none.

        ``released_at`` is when the bad release began to serve, where that is known.
        """
        return noticed_by(self.alerts, assessed_at=self.assessed_at, released_at=released_at)


class ChannelOpened(Event):
    """The incident has a place to be talked about."""

    kind: Literal["channel_opened"] = "channel_opened"
    channel_id: str
    channel_name: str
    dedicated: bool = True
    """False: no channel could be created, so the incident runs where it was asked for."""
    note: str = ""


class TeamAssigned(Event):
    """Roles were filled from the catalog."""

    kind: Literal["team_assigned"] = "team_assigned"
    roles: tuple[RoleAssignment, ...]


class Noted(Event):
    """Something optional did not work; the journey goes on."""

    kind: Literal["noted"] = "noted"
    subject: str
    what: str
    """Empty when an earlier note on the subject no longer holds."""
    remedy: str = ""
