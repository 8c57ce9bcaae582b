"""The decision matrix: from what is observed to a verdict with its reasons.

Source of the rules: the emergency-rollback procedure, "When to Rollback" and 1.1 "Assess
Severity". Thresholds are the procedure's own unless the catalog says otherwise.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from bot.core.values import Actor, Fraction, Instant, Value
from bot.incident.alerts import HeardAlert


class Severity(StrEnum):
    """How bad it is, worst first."""

    CRITICAL = "Critical"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"

    @property
    def priority(self) -> str:
        """The same on the P scale: P0 for Critical to P3 for Low."""
        return f"P{list(Severity).index(self)}"


class VerdictKind(StrEnum):
    """What the procedure says to do."""

    IMMEDIATE = "immediate"
    DISCUSS = "discuss"
    MONITOR = "monitor"


class Thresholds(Value):
    """Where the procedure draws its lines."""

    immediate_error_rate: Fraction = 0.05
    """Above this share of failed requests: roll back without discussion."""
    discuss_error_rate: Fraction = 0.01
    """From this share on: discuss."""
    critical_latency_ratio: float = Field(default=2.0, gt=1)
    """Response time above this multiple of the baseline is a critical indicator."""
    degraded_latency_ratio: float = Field(default=1.5, gt=1)
    """Response time above this multiple of the baseline: discuss."""
    significant_affected_users: Fraction = 0.10
    """Above this share of users affected: discuss, and at least High."""
    business_drop: Fraction = 0.20
    """Business metrics down by more than this share: discuss."""


class Figures(Value):
    """What the metrics say right now; None means unknown, never healthy."""

    error_rate: Fraction | None = None
    requests: int | None = None
    """Requests counted in the window that ``error_rate`` was taken from."""
    latency_ms: float | None = None
    baseline_error_rate: Fraction | None = None
    baseline_latency_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    """95 and 99 % of the requests took at most so long."""
    baseline_p95_ms: float | None = None
    saturation: float | None = None
    """How full the service's scarcest resource is, as a share of its limit; 1 is full."""
    business_per_minute: float | None = None
    """What the service is there for: orders, sign-ups, payments."""
    baseline_business_per_minute: float | None = None
    business_shortfall: Fraction | None = None
    """How far that is below normal; None also where it is too little to compare."""
    source: str = ""
    """Where the figures come from, as people call it."""
    baseline_note: str = ""
    """What normal was taken from, or why it is unknown."""
    current_release: str | None = None
    previous_release: str | None = None
    """The last known good release: what a rollback would go to."""
    problems: tuple[str, ...] = ()
    """Why a figure is missing, one sentence each."""

    @property
    def latency_ratio(self) -> float | None:
        """Latency as a multiple of the baseline, where both are known."""
        if self.latency_ms is None or not self.baseline_latency_ms:
            return None
        return self.latency_ms / self.baseline_latency_ms


class Assessment(Value):
    """Figures, and what only a person can tell."""

    service: str
    figures: Figures
    service_down: bool = False
    core_feature_broken: bool = False
    data_corruption: bool = False
    security_breach: bool = False
    affected_users: Fraction | None = None
    business_drop: Fraction | None = None
    many_complaints: bool = False
    description: str = ""
    """What is seen, in the words of the person who asks."""


class Reason(Value):
    """One rule of the matrix that applies."""

    verdict: VerdictKind
    severity: Severity
    text: str


class Verdict(Value):
    """The outcome of the matrix: the strictest rule that applies, and all reasons."""

    kind: VerdictKind
    severity: Severity
    reasons: tuple[Reason, ...]


def percent(share: float) -> str:
    """A share as people read it: two significant digits below one per cent, one decimal above."""
    value = share * 100
    return f"{value:.2f}%" if 0 < value < 1 else f"{value:.1f}%"


def percent_beside(share: float, line: float) -> str:
    """A share compared with a line, with as many decimals as it takes to see the difference."""
    text, decimals = percent(share), 2
    shown = float(percent(line)[:-1])
    while share != line and float(text[:-1]) == shown and decimals < 9:
        text, decimals = f"{share * 100:.{decimals}f}%", decimals + 1
    return text


def decide(assessment: Assessment, thresholds: Thresholds) -> Verdict:
    """Apply the whole matrix and return the strictest verdict with every reason for it."""
    reasons = (
        *_reported(assessment),
        *_error_rate(assessment.figures, thresholds),
        *_latency(assessment.figures, thresholds),
        *_impact(assessment, thresholds),
    )
    order = list(VerdictKind)
    kind = min((reason.verdict for reason in reasons), key=order.index)
    # The minor findings of a graver verdict are noise to a tired reader.
    telling = tuple(r for r in reasons if kind is VerdictKind.MONITOR or r.severity != Severity.LOW)
    severity = min((reason.severity for reason in reasons), key=list(Severity).index)
    return Verdict(kind=kind, severity=severity, reasons=telling)


def _reason(verdict: VerdictKind, severity: Severity, text: str) -> Reason:
    return Reason(verdict=verdict, severity=severity, text=text)


def _reported(assessment: Assessment) -> list[Reason]:
    immediate = {
        "The service is completely down": assessment.service_down,
        "Data is being corrupted": assessment.data_corruption,
        "A security breach is being exploited": assessment.security_breach,
        "A core feature is completely broken": assessment.core_feature_broken,
    }
    return [
        _reason(VerdictKind.IMMEDIATE, Severity.CRITICAL, text)
        for text, applies in immediate.items()
        if applies
    ]


def _error_rate(figures: Figures, thresholds: Thresholds) -> list[Reason]:
    rate = figures.error_rate
    if rate is None:
        return [
            _reason(
                VerdictKind.DISCUSS,
                Severity.MEDIUM,
                "The error rate is unknown, and unknown is not healthy",
            )
        ]
    if rate > thresholds.immediate_error_rate:
        limit = percent(thresholds.immediate_error_rate)
        text = (
            f"Error rate {percent_beside(rate, thresholds.immediate_error_rate)} is above {limit}"
        )
        return [_reason(VerdictKind.IMMEDIATE, Severity.CRITICAL, text)]
    if rate >= thresholds.discuss_error_rate:
        low, high = thresholds.discuss_error_rate, thresholds.immediate_error_rate
        text = f"Error rate {percent(rate)} is between {percent(low)} and {percent(high)}"
        return [_reason(VerdictKind.DISCUSS, Severity.HIGH, text)]
    low = thresholds.discuss_error_rate
    text = f"Error rate {percent_beside(rate, low)} is below {percent(low)}"
    return [_reason(VerdictKind.MONITOR, Severity.LOW, text)]


def _latency(figures: Figures, thresholds: Thresholds) -> list[Reason]:
    ratio = figures.latency_ratio
    if ratio is None:
        return []
    text = f"Response time is {ratio:.1f}× the baseline"
    if ratio > thresholds.critical_latency_ratio:
        # The procedure calls this indicator critical (1.1) but leaves the decision to the team.
        return [_reason(VerdictKind.DISCUSS, Severity.CRITICAL, text)]
    if ratio > thresholds.degraded_latency_ratio:
        return [_reason(VerdictKind.DISCUSS, Severity.HIGH, text)]
    return [_reason(VerdictKind.MONITOR, Severity.LOW, f"{text}: acceptable")]


def _impact(assessment: Assessment, thresholds: Thresholds) -> list[Reason]:
    reasons = []
    affected, drop = assessment.affected_users, assessment.business_drop
    if affected is not None and affected > thresholds.significant_affected_users:
        text = f"{percent(affected)} of users are affected"
        reasons.append(_reason(VerdictKind.DISCUSS, Severity.HIGH, text))
    if drop is not None and drop > thresholds.business_drop:
        text = f"Business metrics are down by {percent(drop)}"
        reasons.append(_reason(VerdictKind.DISCUSS, Severity.HIGH, text))
    if assessment.many_complaints:
        reasons.append(_reason(VerdictKind.DISCUSS, Severity.MEDIUM, "Several users complain"))
    return reasons


# An assessment in progress: between the command and the declaration.


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
