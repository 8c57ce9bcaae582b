"""The causes of the procedure: what is likely, what is ruled out, and what nobody can tell."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.incident.events import Cause, CauseCheck, CauseFinding, InstanceCheck, InstancesChecked
from bot.judge.counts import Bucket, Judgement, RecoveryVerdict
from bot.proof.model import Health, deployed, from_health, not_the_release, onset
from tests.incident.story import BASELINE

LIKELY, UNLIKELY, UNKNOWN = CauseFinding.LIKELY, CauseFinding.UNLIKELY, CauseFinding.UNKNOWN
RELEASED = BASELINE.end


def _deployed(*replicas: InstanceCheck, live: str | None = "v2.0.0", **more: Any) -> CauseCheck:
    checked = {"health_ok": True, "version": "v2.0.0", **more}
    return deployed(
        InstancesChecked.model_validate({"instances": replicas, **checked}),
        target="v2.0.0",
        live=live,
        wanted="v2.0.0",
        versions_known=True,
    )


def _replica(version: str | None = "v2.0.0", **more: Any) -> InstanceCheck:
    return InstanceCheck(name="pod-1", version=version, **{"ready": True, **more})


@pytest.mark.parametrize(
    ("check", "finding", "evidence"),
    [
        (_deployed(_replica(), _replica("2.0.0")), UNLIKELY, "All 2 replicas are ready"),
        (_deployed(_replica("v2.1.0")), LIKELY, "pod-1 serves v2.1.0, not v2.0.0."),
        (_deployed(_replica(ready=False, problem="OOM")), LIKELY, "pod-1 is not ready (OOM)."),
        (_deployed(_replica(), version="v2.1.0"), LIKELY, "The service answers as v2.1.0"),
        (_deployed(_replica(), live="v2.1.0"), LIKELY, "Live is v2.1.0, not v2.0.0."),
        (_deployed(_replica(None)), UNKNOWN, "pod-1 does not tell its version."),
        (_deployed(), UNKNOWN, "No replica of the service was found."),
        (_deployed(problems=("The API server is silent.",)), UNKNOWN, "The API server is silent."),
    ],
)
def test_whether_the_target_serves_everywhere(
    check: CauseCheck, finding: CauseFinding, evidence: str
) -> None:
    assert check.finding is finding
    assert any(evidence in one for one in check.evidence)


def _health(name: str, well: bool | None, service: str = "") -> Health:
    return Health(name=name, well=well, sentence=f"{name}.", service=service)


def test_one_sick_dependency_is_enough_and_is_named_with_its_service() -> None:
    found = [_health("a", True), _health("b", False, "b"), _health("c", None)]
    check = from_health(Cause.DEPENDENCY, found, nothing="None.")
    assert (check.finding, check.evidence, check.services) == (LIKELY, ("b.",), ("b",))


def test_one_that_cannot_be_told_leaves_the_question_open() -> None:
    found = [_health("a", True), _health("c", None)]
    assert from_health(Cause.DEPENDENCY, found, nothing="None.").finding is UNKNOWN
    assert from_health(Cause.DEPENDENCY, found[:1], nothing="None.").finding is UNLIKELY
    assert from_health(Cause.DEPENDENCY, [], nothing="None.").evidence == ("None.",)


def _around_the_release(*errors: int) -> list[Bucket]:
    """Minutes of a hundred requests, the release in the middle."""
    first = RELEASED - timedelta(minutes=len(errors) // 2)
    return [
        Bucket(start=first + timedelta(minutes=i), seconds=60, requests=100, errors=failed)
        for i, failed in enumerate(errors)
    ]


def _judgement(errors: int, lower: float) -> Judgement:
    return Judgement(
        verdict=RecoveryVerdict.NOT_RECOVERED,
        reasons=("at least",),
        requests=1000,
        errors=errors,
        lower=lower,
        limit=0.006,
    )


def _asked(buckets: list[Bucket], now: Judgement, **more: Any) -> CauseCheck:
    given = {"baseline": BASELINE, "limit": 0.006, "before": 0.2, **more}
    return not_the_release(buckets, now=now, **given)


def test_errors_that_began_before_the_release_did_not_come_with_it() -> None:
    check = _asked(_around_the_release(0, 5, 5, 5, 5, 5), _judgement(30, 0.02))
    assert check.finding is LIKELY
    assert check.evidence[0] == (
        "Errors were above the limit of 0.60% from 10:58 UTC on; the release began to serve at "
        "11:00 UTC."
    )


def test_errors_that_came_with_the_release_and_fell_with_the_rollback_were_the_release() -> None:
    check = _asked(_around_the_release(0, 0, 0, 20, 20, 20), _judgement(30, 0.02))
    assert check.finding is UNLIKELY
    assert any("after the release" in one for one in check.evidence)
    assert any("from 20.00% to 3.00%" in one for one in check.evidence)


def test_errors_that_go_on_unchanged_whatever_serves_were_not_the_release() -> None:
    check = _asked(_around_the_release(0, 0, 0, 20, 20, 20), _judgement(190, 0.17))
    assert check.finding is LIKELY
    assert "the errors go on whatever serves" in check.evidence[0]


def test_without_a_baseline_it_is_unknown() -> None:
    check = _asked([], _judgement(0, 0.0), baseline=None)
    assert (check.finding, check.cause) == (UNKNOWN, Cause.NOT_THE_RELEASE)


def test_one_bad_minute_is_not_where_errors_begin() -> None:
    assert onset(_around_the_release(0, 9, 0, 9, 9, 0), 0.006) is None
