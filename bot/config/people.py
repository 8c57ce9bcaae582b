"""Who decides, and who is told."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from bot.config.durations import Duration
from bot.config.references import ChannelRef, PersonRef
from bot.domain.events import Role
from bot.domain.values import Value


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
