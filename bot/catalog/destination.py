"""Who is told beside the incident's channel: what the catalog's destinations have in common."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from bot.core.values import Value
from bot.incident.assessment import Severity

_EVERY = frozenset(Severity)


class Audience(StrEnum):
    """Who reads what is sent there."""

    CUSTOMERS = "customers"
    """Plain words without internals; a person may hold them for approval."""
    STAKEHOLDERS = "stakeholders"
    """The company's own people: releases, figures, next actions. Never waits for a person."""


class Destination(Value):
    """One destination; ``kind`` tells which.

    Customers read it and are sent a ``StatusMessage`` of ``bot.store.delivery``, unless its kind
    says otherwise.
    """

    takes_mail: ClassVar[bool] = False
    """Whether it is sent a ``Mail`` in place of a ``StatusMessage``."""

    kind: str
    severities: frozenset[Severity] = _EVERY
    """Only incidents of these severities are told here."""
    services: tuple[str, ...] = ()
    """Only incidents of these services; empty for all of them."""

    @property
    def read_by(self) -> Audience:
        """Who reads it."""
        return Audience.CUSTOMERS

    @property
    def takes_updates(self) -> bool:
        """Whether stakeholders are told every update here, or only the turning points."""
        return True

    @property
    def slack_channels(self) -> tuple[str, ...]:
        """Channels of Slack that are told what the stakeholders' channels are."""
        return ()

    def address(self, name: str) -> str:
        """Of its deliveries, when the catalog calls it so: ``statuspage:<name>``."""
        return f"{self.kind}:{name}"
