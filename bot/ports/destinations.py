"""What a kind of destination is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.config.destinations import Destination
from bot.domain.findings import Finding
from bot.ports.clock import Clock
from bot.ports.deliveries import Courier
from bot.ports.outside import Http, Secrets
from bot.ports.store import Attachment

Load = Callable[[str, str], Awaitable[Attachment | None]]
"""Reads a file that is kept with an incident, by the incident's id and the file's name."""


@dataclass(frozen=True, kw_only=True)
class CourierAccess:
    """What couriers reach destinations with."""

    slack: Courier
    """Carries to Slack's channels, the incidents' own among them."""
    http: Http
    secrets: Secrets
    clock: Clock
    load: Load


@dataclass(frozen=True, kw_only=True)
class DestinationKind:
    """A kind of destination. Registered in pyproject.toml, under ``rollback_bot.destinations``."""

    name: str
    settings: type[Destination]
    noun: str
    """What people call one, in front of its name; empty where the name is enough."""
    courier: Callable[[Mapping[str, Any], CourierAccess], Courier]
    """Carries to all destinations of this kind; they come with their settings by their names."""
    check: Callable[[str, Any, str, Http, Secrets], Awaitable[Finding]]
    """How far one gets without a message to the destination of this name and these settings; the
    finding has the given subject. Raises what the courier would."""
