"""What a view needs to know beside the incident."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.approval import ApprovalPolicy
from bot.domain.recovery import JudgePolicy
from bot.domain.values import Instant, Value


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
