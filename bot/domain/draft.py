"""An assessment in progress: between the command and the declaration."""

from __future__ import annotations

from bot.domain.assessment import Assessment, Figures, Verdict
from bot.domain.values import Actor, Instant, Value


class Draft(Value):
    """What a person is filling in; kept in the store so that a restart loses nothing."""

    id: str
    service: str
    by: Actor
    asked_in: str
    """Id of the channel in which the command was typed."""
    opened_at: Instant
    figures: Figures | None = None
    """None until the metrics answered."""
    assessment: Assessment | None = None
    """None until the first form was submitted."""
    verdict: Verdict | None = None
