"""An assessment in progress: between the command and the declaration."""

from __future__ import annotations

from bot.domain.assessment import Assessment, Figures, Verdict
from bot.domain.detection import HeardAlert
from bot.domain.values import Actor, Fraction, Instant, Value


class Prefill(Value):
    """What is known before a person says anything, for example from an alert.

    It stands in the store under its own id: a button carries no more than that id.
    """

    id: str
    service: str
    description: str
    """For the assessment's text; a person may change it."""
    error_rate: Fraction | None = None
    """Taken where the bot itself measures nothing."""
    latency_ms: float | None = None


class Draft(Value):
    """What a person is filling in; kept in the store so that a restart loses nothing."""

    id: str
    service: str
    by: Actor
    asked_in: str
    """Id of the channel in which the command was typed."""
    opened_at: Instant
    alerts: tuple[HeardAlert, ...] = ()
    """Alerts of the service that fired when it was opened, or that it was opened from."""
    figures: Figures | None = None
    """None until the metrics answered."""
    assessment: Assessment | None = None
    """None until somebody said something: an alert that it began with, or a submitted form."""
    verdict: Verdict | None = None
