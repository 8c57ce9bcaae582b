"""What a view needs to know beside the incident."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.catalog.catalog import Catalog
from bot.catalog.destination import Audience
from bot.core.values import Instant, Value
from bot.incident.approval import ApprovalPolicy
from bot.judge.counts import JudgePolicy


class Frame(Value):
    """The moment of drawing, and the settings that hold for the incident's service."""

    now: Instant
    update_every: timedelta
    approval: ApprovalPolicy
    judge: JudgePolicy
    checkpoints: tuple[timedelta, ...]
    """Rows of the recovery table, counted from the end of the drain."""
    stakeholder_channels: tuple[str, ...] = ()
    tells_customers: bool = False
    """Whether the catalog names destinations that customers read."""


def frame_of(catalog: Catalog, service: str, now: datetime) -> Frame:
    """What views need to know beside the incident."""
    verification = catalog.verification_of(service)
    return Frame(
        now=now,
        update_every=catalog.updates.every,
        approval=catalog.approval_of(service),
        judge=verification.judge,
        checkpoints=verification.checkpoints,
        stakeholder_channels=stakeholder_channels(catalog, service),
        tells_customers=any(
            one.read_by is Audience.CUSTOMERS for one in catalog.destinations.values()
        ),
    )


def stakeholder_channels(catalog: Catalog, service: str) -> tuple[str, ...]:
    """Everywhere updates go beside the incident's own channel, each once."""
    entry = catalog.services.get(service)
    own = entry.stakeholder_channels if entry else ()
    return tuple(dict.fromkeys((*catalog.updates.channels, *own)))
