"""Recovery: proven on the real rhythm of two, five and ten minutes, or not claimed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.errors import RefusedError, TemporaryError
from bot.engine import releases
from bot.incident.state import Incident, Phase
from bot.judge.counts import RecoveryVerdict
from bot.paperwork import conclude
from tests.company.deeds import approved, history, planned
from tests.company.harness import Company, Process, catalog_of
from tests.company.shop import GOOD, HANG, Traffic


async def _switched(company: Company, **options: object) -> tuple[Process, Incident]:
    process = await company.process(sends=False, **options)
    incident = await planned(process)
    await approved(process, incident)
    return process, await company.until(incident, lambda i: i.phase is Phase.VERIFYING)


async def _judged(company: Company) -> Incident:
    _, incident = await _switched(company)
    return await company.until(incident, lambda i: i.judged)


def _reasons(incident: Incident) -> str:
    assert incident.judged is not None
    return " ".join(incident.judged.judgement.reasons)


def _after(company: Company, *, per_second: float = 10, error_rate: float = 0.0) -> None:
    """What users see once the release is withdrawn."""
    company.shop.after = Traffic(
        since=company.clock.now(), per_second=per_second, error_rate=error_rate
    )


async def test_rows_come_after_two_five_and_ten_minutes_and_then_the_verdict(
    company: Company,
) -> None:
    incident = await _judged(company)
    assert incident.phase is Phase.RECOVERED
    since = incident.evidence_from
    assert since is not None
    rows = [(row.at - since, row.requests) for row in incident.samples]
    assert rows == [
        (timedelta(minutes=2), 1200),
        (timedelta(minutes=5), 1800),
        (timedelta(minutes=10), 3000),
    ]
    assert incident.judged_at == since + timedelta(minutes=10)


async def test_errors_that_stay_are_not_a_recovery(company: Company) -> None:
    _after(company, error_rate=0.08)
    incident = await _judged(company)
    assert incident.phase is Phase.NOT_RECOVERED
    assert "above the limit" in _reasons(incident)


async def test_too_little_traffic_proves_nothing(company: Company) -> None:
    _after(company, per_second=1)
    incident = await _judged(company)
    assert incident.phase is Phase.INCONCLUSIVE
    assert "too few" in _reasons(incident)


async def test_one_replica_with_the_wrong_version_prevents_a_recovery(company: Company) -> None:
    company.shop.versions["checkout-1"] = "v2.1.0"
    incident = await _judged(company)
    assert incident.phase is Phase.INCONCLUSIVE
    assert f"checkout-1 serves v2.1.0, not {GOOD}" in _reasons(incident)


async def test_a_failing_health_check_prevents_a_recovery(company: Company) -> None:
    company.shop.health = 503
    incident = await _judged(company)
    assert incident.phase is Phase.INCONCLUSIVE
    assert "health check fails" in _reasons(incident)


async def test_a_replica_that_was_late_is_asked_again_before_the_verdict(
    company: Company,
) -> None:
    company.shop.script["ask checkout-2"] = [TemporaryError("connection refused")]
    process, incident = await _switched(company)
    state = await company.until(incident, lambda i: i.judged)
    assert state.phase is Phase.RECOVERED
    assert (await history(process, incident)).count("instances_checked") == 2


async def test_replicas_that_cannot_be_listed_prevent_a_recovery(company: Company) -> None:
    company.shop.script["instances"] = [TemporaryError("no answer")] * 2
    incident = await _judged(company)
    assert incident.phase is Phase.INCONCLUSIVE
    assert "could not be listed" in _reasons(incident)


async def test_a_silent_metrics_source_is_shown_in_every_row_and_proves_nothing(
    company: Company,
) -> None:
    process, incident = await _switched(company)
    company.shop.script["series"] = [TemporaryError("The recorder is down.")] * 4
    state = await company.until(incident, lambda i: i.judged)
    assert state.phase is Phase.INCONCLUSIVE
    assert [row.problem for row in state.samples] == ["The recorder is down."] * 3
    assert "The recorder is down." in _reasons(state)
    assert (await releases.marks(process.context, "checkout")).good == ()


async def test_without_a_baseline_nothing_is_proven(company: Company) -> None:
    company.shop.script["series"] = [TemporaryError("No history.")]
    incident = await _judged(company)
    assert incident.phase is Phase.INCONCLUSIVE
    assert incident.baseline_note == "No history."
    assert "no baseline" in _reasons(incident)


async def test_an_assumed_baseline_is_used_and_named(company: Company) -> None:
    company.shop.script["series"] = [TemporaryError("No history.")]
    verification = {"verification": {"assumed_error_rate": 0.001}}
    _, incident = await _switched(company, catalog=catalog_of(verification))
    state = await company.until(incident, lambda i: i.judged)
    assert state.phase is Phase.RECOVERED
    assert "assumed error rate" in state.baseline_note


@pytest.mark.parametrize("minutes", [1, 3, 7])
async def test_killed_between_two_rows_none_is_doubled_and_none_is_missing(
    company: Company, minutes: int
) -> None:
    process, incident = await _switched(company)
    await company.clock.advance(minutes * 60)
    await process.kill()
    await company.process(sends=False)
    state = await company.until(incident, lambda i: i.judged)
    assert [row.offset_seconds for row in state.samples] == [120, 300, 600]
    assert [row.requests for row in state.samples] == [1200, 1800, 3000]
    assert state.phase is Phase.RECOVERED


async def test_after_a_long_outage_the_rows_are_made_up_from_what_was_recorded(
    company: Company,
) -> None:
    process, incident = await _switched(company)
    await process.kill()
    await company.clock.advance(3600)
    await company.process(sends=False)
    state = await company.until(incident, lambda i: i.judged)
    assert [row.requests for row in state.samples] == [1200, 1800, 3000]
    assert state.phase is Phase.RECOVERED


async def test_killed_at_the_verdict_the_release_is_marked_and_judged_once(
    company: Company,
) -> None:
    process, incident = await _switched(company)
    await company.clock.advance(301)
    process.life.die_at("before append", process.life.counts["before append"] + 3)
    await company.clock.run_until(lambda: not process.life.alive)
    await process.kill()
    other = await company.process(sends=False)
    state = await company.until(incident, lambda i: i.judged)
    assert state.phase is Phase.RECOVERED
    assert (await history(other, incident)).count("judged") == 1
    assert (await releases.marks(other.context, "checkout")).good == (GOOD,)


async def test_verifying_again_counts_only_what_came_after(company: Company) -> None:
    _after(company, error_rate=0.08)
    process, incident = await _switched(company)
    await company.until(incident, lambda i: i.phase is Phase.NOT_RECOVERED)
    _after(company)
    ana = company.actor("ana")
    # What the counters said before the request stays what it was.
    company.shop.changed_at = company.clock.now()
    await conclude.request_verification(
        process.context, incident.id, actor=ana, request_id="click/1"
    )
    asked_at = company.clock.now()
    state = await company.until(incident, lambda i: i.judged)
    assert state.phase is Phase.RECOVERED
    assert state.verification is not None
    assert state.verification.since == asked_at
    assert state.judged is not None
    assert state.judged.judgement.verdict is RecoveryVerdict.RECOVERED
    assert len(state.samples) == 3


async def test_verifying_again_is_refused_while_it_is_being_verified(company: Company) -> None:
    process, incident = await _switched(company)
    with pytest.raises(RefusedError, match="being measured"):
        await conclude.request_verification(
            process.context, incident.id, actor=company.actor("ana"), request_id="click/1"
        )


async def test_a_hanging_metrics_source_does_not_hold_up_other_incidents(
    company: Company,
) -> None:
    process, incident = await _switched(company)
    company.shop.script["series"] = [HANG]
    await company.clock.advance(121)
    other = await planned(process, "search")
    assert other.phase is Phase.AWAITING_APPROVAL
    assert company.incidents[incident.id].samples == ()
    company.shop.release("series")
    await company.until(incident, lambda i: i.phase is Phase.RECOVERED)
