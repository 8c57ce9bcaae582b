"""The catalog ``rollback.yml``: which services there are, and who decides about them."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from bot.catalog.destination import Destination
from bot.catalog.paperwork import PaperworkSettings, PostMortemSettings
from bot.catalog.service import ServiceEntry, Verification, is_address
from bot.catalog.target import ComposedPart
from bot.catalog.types import ChannelRef, Duration, PersonRef
from bot.core.registry import OneOf
from bot.core.values import Value
from bot.incident.approval import ApprovalPolicy
from bot.incident.assessment import Severity
from bot.incident.events import Role
from bot.incident.external import DESTINATIONS

# Who decides, and who is told.


class People(Value):
    """Who does what."""

    roles: dict[Role, tuple[PersonRef, ...]] = Field(default_factory=dict)
    """Who fills each role of the incident team."""
    release_managers: tuple[PersonRef, ...] = Field(min_length=1)
    """May approve plans at once."""
    on_call_leads: tuple[PersonRef, ...] = ()
    """May approve when no release manager answers in time."""
    requesters: tuple[PersonRef, ...] = ()
    """Who may declare an incident; nobody named means every member."""


class Updates(Value):
    """Posts to the stakeholders."""

    every: Duration = timedelta(minutes=10)
    """Time between two updates."""
    channels: tuple[ChannelRef, ...] = ()
    """Channels that get every update of every incident."""


# Incoming alerts: which service an alert speaks of, and where it is told.


class Alerts(Value):
    """What ``/webhooks/…`` does with what comes in."""

    service_label: str = Field(default="service", min_length=1)
    """Label of an alert that names its service."""
    services: dict[str, str] = Field(default_factory=dict)
    """Values of that label that differ from the service's name here: label value → service."""
    channel: ChannelRef | None = None
    """Where alerts are told; default: the service's stakeholder channels, else those of
    ``updates``."""
    forget_after: Duration = timedelta(hours=24)
    """An alert that was not heard of for so long is over: the next one is a message of its own.
    Must be longer than the sender's ``repeat_interval``."""


class AssessmentSettings(Value):
    """How the modal gets its figures, and what watching means."""

    live_window: Duration = timedelta(minutes=2)
    """Live figures are counted over this span up to now."""
    patience: Duration = timedelta(seconds=10)
    """A source that has not answered by then is shown as unknown."""
    watch_for: Duration = timedelta(minutes=30)
    """How long a service with verdict MONITOR is watched."""
    watch_every: Duration = timedelta(minutes=1)
    """How often a watched service is looked at, also after a proven recovery."""


class Catalog(Value):
    """The whole file."""

    # As ``ServiceEntry``, which it has.
    model_config = ConfigDict(defer_build=True)

    assessment: AssessmentSettings = AssessmentSettings()
    """How the assessment gets its figures."""
    services: dict[str, ServiceEntry] = Field(min_length=1)
    """The services by their names; a name becomes part of a channel's name."""
    people: People
    """Who does what, and who may approve."""
    approval: ApprovalPolicy = ApprovalPolicy()
    """Who must approve, unless a service says otherwise."""
    updates: Updates = Updates()
    """The posts to the stakeholders."""
    company: str = ""
    """Who signs messages to customers: “The <company> team”."""
    destinations: dict[str, Annotated[Destination, OneOf(DESTINATIONS, "kind")]] = Field(
        default_factory=dict
    )
    """Who is told beside the Slack channels of ``updates``, by a name of your choice."""
    texts: Path | None = None
    """Folder with texts that replace the built-in ones, relative to this file."""
    alerts: Alerts = Alerts()
    """What `/webhooks/…` does with alerts."""
    verification: Verification = Verification()
    """How recovery is proven, unless a service says otherwise."""
    post_mortem: PostMortemSettings = PostMortemSettings()
    """When the meeting that learns from an incident takes place."""
    paperwork: PaperworkSettings = PaperworkSettings()
    """How patient the bot is with GitHub and the like."""
    tripwire_for: Duration = timedelta(days=7)
    """So long after a recovery the bot says when the withdrawn release comes back."""
    freeze_for: Duration = timedelta(days=7)
    """So long after a recovery deploys are frozen, unless somebody lifts it before."""

    @model_validator(mode="after")
    def _names_fit_channels(self) -> Catalog:
        for name in self.services:
            if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name):
                raise ValueError(
                    f"service name “{name}”: use up to 40 lower-case letters, digits and hyphens, "
                    "because it becomes part of a channel name"
                )
        return self

    @model_validator(mode="after")
    def _alerts_speak_of_known_services(self) -> Catalog:
        for label, name in self.alerts.services.items():
            if name not in self.services:
                raise ValueError(f"alerts.services: “{label}” leads to “{name}”, no service here")
        return self

    @model_validator(mode="after")
    def _destinations_fit(self) -> Catalog:
        for name, destination in self.destinations.items():
            if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
                raise ValueError(
                    f"destination “{name}”: use up to 40 lower-case letters, digits, - and _"
                )
            unknown = sorted(set(destination.services) - set(self.services))
            if unknown:
                raise ValueError(
                    f"destinations.{name}.services names {', '.join(unknown)}, which “services” "
                    "does not have"
                )
        return self

    @model_validator(mode="after")
    def _invitations_have_a_mailbox(self) -> Catalog:
        name = self.post_mortem.email
        found = self.destinations.get(name)
        if name and not (found and found.takes_mail):
            kinds = " or ".join(one.name for one in DESTINATIONS if one.settings.takes_mail)
            raise ValueError(f"post_mortem.email: “{name}” is no destination of kind {kinds}")
        return self

    @property
    def is_in_cluster(self) -> bool:
        """Whether any service takes a Kubernetes cluster to be measured or rolled back."""
        return any(entry.is_in_cluster for entry in self.services.values())

    def public_name(self, service: str) -> str:
        """How customers know a service."""
        entry = self.services.get(service)
        return (entry.public_name if entry else "") or service

    def destinations_of(self, service: str, severity: Severity) -> dict[str, Destination]:
        """The destinations that are told about an incident of this service and severity."""
        return {
            name: destination
            for name, destination in self.destinations.items()
            if severity in destination.severities
            and (not destination.services or service in destination.services)
        }

    @model_validator(mode="after")
    def _dependencies_are_known(self) -> Catalog:
        for name, entry in self.services.items():
            for needed in entry.dependencies:
                if not is_address(needed) and needed not in self.services:
                    raise ValueError(
                        f"services.{name}.dependencies: there is no service “{needed}”; name a "
                        "service of this catalog, or an address with http:// or https://"
                    )
                if needed == name:
                    raise ValueError(f"services.{name}.dependencies: it cannot depend on itself")
        return self

    @model_validator(mode="after")
    def _composed_parts_are_known(self) -> Catalog:
        for name, entry in self.services.items():
            for target in entry.rollback:
                for part in target.composed_of:
                    self._check_part(name, part)
        return self

    def _check_part(self, name: str, part: ComposedPart) -> None:
        where = f"services.{name}.rollback: the composed part “{part}”"
        if part.service == name:
            raise ValueError(f"{where} is the service's own: write “{part.strategy}”")
        whose = self.services.get(part.service or name)
        if whose is None:
            raise ValueError(f"{where} is of a service that this catalog does not have")
        offered = sorted({one.strategy for one in whose.rollback if not one.composed_of})
        if part.strategy not in offered:
            raise ValueError(
                f"{where} is not described in services.{part.service or name}.rollback; there "
                f"are: {', '.join(offered)}"
            )

    def composed_over(self, service: str) -> tuple[str, ...]:
        """The other services whose composed rollbacks have a part of this one."""
        return tuple(
            name
            for name, entry in self.services.items()
            if name != service and any(service in target.others for target in entry.rollback)
        )

    def needs_of(self, service: str) -> frozenset[str]:
        """Every service of the catalog that this one relies on, directly or not."""
        found: set[str] = set()
        ahead = [service]
        while ahead:
            entry = self.services.get(ahead.pop())
            fresh = {
                needed
                for needed in (entry.dependencies if entry else ())
                if not is_address(needed) and needed not in found
            }
            found |= fresh
            ahead += fresh
        return frozenset(found)

    def approval_of(self, service: str) -> ApprovalPolicy:
        """The approval policy that holds for a service, or did before it left the catalog."""
        entry = self.services.get(service)
        return (entry.approval if entry else None) or self.approval

    def verification_of(self, service: str) -> Verification:
        """The verification that holds for a service."""
        entry = self.services.get(service)
        return (entry.verification if entry else None) or self.verification
