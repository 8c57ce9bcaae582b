"""Each incident and each deployment counts once, and what is not known is not a number."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.home.model import Deployment, Ledger, Outcome, outcome_of, recovery_told, statistics_of
from bot.incident import events as e
from bot.judge.counts import RecoveryVerdict
from tests.incident.story import BOB, HEALTHY, NOON, PLAN, Story, complete

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def _outcome(story: Story) -> Outcome:
    return outcome_of("INC-2026-001", story.recorded)


def _relapse(story: Story) -> Story:
    judged = story.incident.judged
    assert judged is not None
    return story.tell(e.Relapsed(judgement=judged.judgement, since=story.now), after=300)


def test_recovery_is_measured_from_the_detection_to_the_proof() -> None:
    story = complete()
    found, state = _outcome(story), story.incident
    assert found.detected_at == state.declared.assessed_at
    assert found.recovered_at == state.judged_at
    assert found.recovery_seconds is not None
    assert recovery_told(found).startswith("recovered in ")
    assert (found.release, found.service) == ("v2.1.0", "checkout")


def test_a_relapse_takes_the_recovery_back_until_it_is_proven_anew() -> None:
    story = _relapse(complete())
    relapsed = _outcome(story)
    assert (relapsed.recovery_seconds, relapsed.relapses) == (None, 1)
    assert recovery_told(relapsed) == "not recovered, after 1 relapse"
    story.tell(e.VerificationRequested(by=BOB)).verified(*HEALTHY)
    again = _outcome(story)
    assert again.recovered_at == story.now
    assert again.recovery_seconds == (story.now - again.detected_at).total_seconds()


def test_planning_again_after_a_rollback_does_not_make_it_a_new_failure() -> None:
    story = Story().declared().planned().approved().executed().verified(*((600, 300),) * 10)
    begun = _outcome(story).intervened_at
    other = PLAN.model_copy(update={"from_release": "v2.0.0", "to_release": "v1.9.0"})
    story.tell(e.PlanRequested(by=BOB)).planned(other).approved(other).executed(other)
    found = _outcome(story.verified(*HEALTHY))
    assert (found.intervened_at, found.release) == (begun, "v2.1.0")
    assert found.recovered_at == story.now


def test_an_incident_in_which_nothing_ran_is_no_failed_deployment() -> None:
    story = Story().declared().planned()
    story.tell(e.PlanRejected(by=BOB, reason="It was the network."))
    found = _outcome(story.resolved())
    assert found.intervened_at is None
    assert recovery_told(found) == "no rollback ran"


def test_a_list_that_does_not_begin_with_a_declaration_is_refused() -> None:
    with pytest.raises(ValueError, match="does not begin"):
        outcome_of("INC-2026-009", complete().recorded[1:])


def _example(number: int, **changes: object) -> Outcome:
    given: dict[str, object] = {
        "incident_id": f"INC-2026-{number:03}",
        "service": "checkout",
        "release": f"v{number}",
        "detected_at": NOON + number * MINUTE,
        "intervened_at": NOON + number * MINUTE,
        "verdict": RecoveryVerdict.RECOVERED,
        "recovered_at": NOON + (number + 10) * MINUTE,
    }
    return Outcome.model_validate(given | changes)


def test_the_rate_is_a_share_of_the_deployments_that_were_seen() -> None:
    seen = tuple(
        Deployment(service="checkout", release=f"v{n}", at=NOON + n * MINUTE) for n in range(8)
    )
    ledger = Ledger(service="checkout", since=NOON, deployments=seen)
    # v2 failed twice, v90 was never seen to be deployed.
    outcomes = [_example(2), _example(3), _example(40, release="v2"), _example(90)]
    found = statistics_of(outcomes, [ledger], start=NOON, end=NOON + DAY)
    assert (found.deployments, found.failed_deployments) == (8, 2)
    assert found.change_fail_rate == 0.25
    assert (found.incidents, found.interventions, found.recovered) == (4, 4, 4)
    assert found.recovery_seconds == 600
    assert found.unknown == ()


def test_without_deployments_or_recoveries_the_figures_are_unknown_and_say_why() -> None:
    blind = Ledger(service="checkout", problem="Deployments of checkout are not known: no metrics.")
    found = statistics_of([], [blind], start=NOON, end=NOON + DAY)
    assert (found.change_fail_rate, found.recovery_seconds, found.deployments) == (None,) * 3
    assert found.unknown[0] == blind.problem
    assert "no recovery time" in found.unknown[1]
    quiet = statistics_of([], [Ledger(service="checkout", since=NOON)], start=NOON, end=NOON + DAY)
    assert (quiet.deployments, quiet.change_fail_rate) == (0, None)


OUTCOMES = st.lists(
    st.builds(
        lambda number, service, release, ran, held, relapses: _example(
            number,
            service=service,
            release=release,
            intervened_at=NOON if ran else None,
            recovered_at=NOON + (number + 5) * MINUTE if ran and held else None,
            relapses=relapses if ran else 0,
        ),
        number=st.integers(0, 30),
        service=st.sampled_from(("checkout", "payments")),
        release=st.sampled_from(("v1", "v2", "v3")),
        ran=st.booleans(),
        held=st.booleans(),
        relapses=st.integers(0, 2),
    ),
    max_size=12,
)
LEDGERS = st.lists(
    st.builds(
        lambda service, releases, known: Ledger(
            service=service,
            since=NOON if known else None,
            deployments=tuple(
                Deployment(service=service, release=release, at=NOON) for release in releases
            ),
        ),
        service=st.sampled_from(("checkout", "payments")),
        releases=st.lists(st.sampled_from(("v1", "v2", "v4")), max_size=4),
        known=st.booleans(),
    ),
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(outcomes=OUTCOMES, ledgers=LEDGERS)
def test_nothing_is_counted_twice_whatever_was_collected(
    outcomes: list[Outcome], ledgers: list[Ledger]
) -> None:
    once = statistics_of(outcomes, ledgers, start=NOON, end=NOON + DAY)
    twice = statistics_of([*outcomes, *outcomes], ledgers * 2, start=NOON, end=NOON + DAY)
    assert once == twice
    assert once.incidents == len({outcome.incident_id for outcome in outcomes})
    assert once.recovered + once.unrecovered == once.interventions <= once.incidents
    assert once.relapsed <= once.interventions
    assert (once.recovery_seconds is None) == (once.recovered == 0)
    if once.change_fail_rate is not None:
        assert 0 <= once.change_fail_rate <= 1
    parts = [
        statistics_of(outcomes, ledgers, start=NOON, end=NOON + DAY, service=service)
        for service in ("checkout", "payments")
    ]
    ids = {(outcome.incident_id, outcome.service) for outcome in outcomes}
    if len(ids) == once.incidents:
        assert sum(part.incidents for part in parts) == once.incidents
        assert sum(part.interventions for part in parts) == once.interventions
