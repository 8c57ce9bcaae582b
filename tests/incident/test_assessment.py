"""The decision matrix, row by row."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.incident.assessment import (
    Assessment,
    Figures,
    Severity,
    Thresholds,
    Verdict,
    VerdictKind,
    decide,
    percent,
)

IMMEDIATE, DISCUSS, MONITOR = VerdictKind.IMMEDIATE, VerdictKind.DISCUSS, VerdictKind.MONITOR
CRITICAL, HIGH, MEDIUM, LOW = Severity
HEALTHY: dict[str, Any] = {"error_rate": 0.001, "latency_ms": 100, "baseline_latency_ms": 100}


def assessed(thresholds: Thresholds | None = None, **observed: Any) -> Verdict:
    """The verdict on a healthy service but for what is named."""
    known = {key: value for key, value in observed.items() if key in Figures.model_fields}
    told = {key: value for key, value in observed.items() if key not in known}
    figures = Figures(**{**HEALTHY, **known})
    return decide(
        Assessment(service="checkout", figures=figures, **told), thresholds or Thresholds()
    )


MATRIX: list[tuple[dict[str, Any], VerdictKind, Severity]] = [
    # Roll back without discussion.
    ({"service_down": True}, IMMEDIATE, CRITICAL),
    ({"data_corruption": True}, IMMEDIATE, CRITICAL),
    ({"security_breach": True}, IMMEDIATE, CRITICAL),
    ({"core_feature_broken": True}, IMMEDIATE, CRITICAL),
    ({"error_rate": 0.0501}, IMMEDIATE, CRITICAL),
    ({"error_rate": 1.0}, IMMEDIATE, CRITICAL),
    # Discuss.
    ({"error_rate": 0.05}, DISCUSS, HIGH),
    ({"error_rate": 0.01}, DISCUSS, HIGH),
    ({"error_rate": None}, DISCUSS, MEDIUM),
    ({"latency_ms": 150.1}, DISCUSS, HIGH),
    ({"latency_ms": 200}, DISCUSS, HIGH),
    ({"latency_ms": 200.1}, DISCUSS, CRITICAL),
    ({"affected_users": 0.11}, DISCUSS, HIGH),
    ({"business_drop": 0.21}, DISCUSS, HIGH),
    ({"many_complaints": True}, DISCUSS, MEDIUM),
    # Go on and monitor.
    ({}, MONITOR, LOW),
    ({"error_rate": 0.0}, MONITOR, LOW),
    ({"error_rate": 0.00999}, MONITOR, LOW),
    ({"latency_ms": 150}, MONITOR, LOW),
    ({"latency_ms": None}, MONITOR, LOW),
    ({"baseline_latency_ms": None}, MONITOR, LOW),
    ({"affected_users": 0.10}, MONITOR, LOW),
    ({"business_drop": 0.20}, MONITOR, LOW),
]


@pytest.mark.parametrize(("observed", "kind", "severity"), MATRIX)
def test_each_row_of_the_matrix_gives_its_verdict_and_severity(
    observed: dict[str, Any], kind: VerdictKind, severity: Severity
) -> None:
    verdict = assessed(**observed)
    assert (verdict.kind, verdict.severity) == (kind, severity)
    assert verdict.reasons


def test_the_strictest_rule_wins_and_every_telling_reason_is_given() -> None:
    verdict = assessed(error_rate=0.213, affected_users=0.2, many_complaints=True)
    assert verdict.kind is IMMEDIATE
    assert [reason.text for reason in verdict.reasons] == [
        "Error rate 21.3% is above 5.0%",
        "20.0% of users are affected",
        "Several users complain",
    ]


def test_a_critical_latency_makes_a_discussed_verdict_critical() -> None:
    verdict = assessed(error_rate=0.02, latency_ms=300)
    assert (verdict.kind, verdict.severity) == (DISCUSS, CRITICAL)


def test_what_is_acceptable_is_said_when_nothing_is_wrong() -> None:
    texts = [reason.text for reason in assessed().reasons]
    assert texts == [
        "Error rate 0.10% is below 1.0%",
        "Response time is 1.0× the baseline: acceptable",
    ]


def test_an_unknown_error_rate_is_never_called_healthy() -> None:
    verdict = assessed(error_rate=None, latency_ms=None)
    assert verdict.kind is DISCUSS
    assert "unknown is not healthy" in verdict.reasons[0].text


def test_the_catalog_may_move_the_lines() -> None:
    strict = Thresholds(immediate_error_rate=0.02, discuss_error_rate=0.0005)
    assert assessed(strict, error_rate=0.021).kind is IMMEDIATE
    assert assessed(strict, error_rate=0.001).kind is DISCUSS


def test_severities_are_told_on_the_p_scale() -> None:
    assert [severity.priority for severity in Severity] == ["P0", "P1", "P2", "P3"]


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0.0%"), (0.0012, "0.12%"), (0.01, "1.0%"), (0.0516, "5.2%")]
)
def test_shares_read_as_people_say_them(share: float, text: str) -> None:
    assert percent(share) == text


order_of_verdicts = list(VerdictKind)


@given(rate=st.floats(0, 1), worse=st.floats(0, 1), down=st.booleans())
def test_a_higher_error_rate_never_softens_the_verdict(
    rate: float, worse: float, down: bool
) -> None:
    low, high = sorted((rate, worse))
    mild, grave = (assessed(error_rate=r, service_down=down) for r in (low, high))
    assert order_of_verdicts.index(grave.kind) <= order_of_verdicts.index(mild.kind)
    assert list(Severity).index(grave.severity) <= list(Severity).index(mild.severity)


def test_a_rate_just_beside_a_line_does_not_read_like_the_line() -> None:
    assert assessed(error_rate=0.0501).reasons[0].text == "Error rate 5.01% is above 5.0%"
    assert assessed(error_rate=0.009999).reasons[0].text == "Error rate 0.9999% is below 1.0%"
