"""The forms: what they show, what they ask for, and what they carry to their handlers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.assessment import modals
from bot.communication import ids
from bot.communication import modals as modals_
from bot.incident.events import FollowUp
from bot.incident.state import Phase
from tests.communication.checks import assert_view, inputs, shown
from tests.communication.examples import assessment, draft, figures, incident_in, plan, verdict


def test_the_first_view_cannot_be_submitted() -> None:
    view = modals.assessment_loading("checkout", "d1")
    assert "submit" not in view
    assert inputs(view) == {}
    assert view["callback_id"] == ids.ASSESSMENT_LOADING
    assert view["private_metadata"] == "d1"
    assert "Looking up the live figures of *checkout*" in shown(view)


def test_the_assessment_shows_figures_and_asks_only_for_what_a_person_knows() -> None:
    view = modals.assessment_form(draft(assessment=None, verdict=None))
    assert set(inputs(view)) == {
        ids.AFFECTED_USERS,
        ids.BUSINESS_DROP,
        ids.FINDINGS,
        ids.DESCRIPTION,
    }
    said = shown(view)
    assert "7.2% of 1,250 requests (normal: 0.15%)" in said
    assert "`v2.1.0` → `v2.0.0` (now → last known good)" in said
    assert view["callback_id"] == ids.ASSESSMENT
    assert view["private_metadata"] == "d" * 32
    assert all(block["optional"] for block in inputs(view).values())


def test_block_and_action_of_an_input_share_one_id() -> None:
    for block_id, block in inputs(modals.assessment_form(draft())).items():
        assert block["element"]["action_id"] == block_id


def test_unknown_figures_are_said_and_can_be_typed() -> None:
    blind = figures(error_rate=None, requests=None, latency_ms=None, problems=("Source is down.",))
    view = modals.assessment_form(draft(figures=blind, assessment=None, verdict=None))
    asked = inputs(view)
    assert asked[ids.ERROR_RATE]["element"]["type"] == "number_input"
    assert asked[ids.ERROR_RATE]["element"]["max_value"] == "100"
    assert asked[ids.LATENCY]["optional"] is True
    said = shown(view)
    assert "• Error rate: unknown" in said
    assert "• Source is down." in said
    assert "Unknown does not mean healthy." in said


def test_what_was_entered_before_is_kept() -> None:
    said = assessment(data_corruption=True, many_complaints=True, business_drop=0.25)
    asked = inputs(modals.assessment_form(draft(assessment=said), problem="Slack was too slow."))
    assert asked[ids.AFFECTED_USERS]["element"]["initial_value"] == "15.00"
    assert asked[ids.BUSINESS_DROP]["element"]["initial_value"] == "25.00"
    ticked = asked[ids.FINDINGS]["element"]["initial_options"]
    assert [option["value"] for option in ticked] == [ids.CORRUPTION, ids.COMPLAINTS]
    assert asked[ids.DESCRIPTION]["element"]["initial_value"] == "Payments fail with a blank page."


def test_the_findings_are_those_the_handler_knows() -> None:
    options = inputs(modals.assessment_form(draft()))[ids.FINDINGS]["element"]["options"]
    assert {option["value"] for option in options} == {
        ids.SERVICE_DOWN,
        ids.CORE_BROKEN,
        ids.CORRUPTION,
        ids.BREACH,
        ids.COMPLAINTS,
    }


def test_the_decision_begins_with_the_verdict_and_its_reasons() -> None:
    view = modals.decision_form(draft())
    said = shown(view)
    assert "🔴 *Verdict: roll back now* — severity Critical (P0)" in said
    assert "• Error rate 7.2% is above 5.0%" in said
    assert "Nothing is changed before the plan is approved." in said
    asked = inputs(view)
    assert set(asked) == {
        ids.REASON,
        ids.AFFECTED_TEXT,
        ids.ALTERNATIVES,
        ids.RATIONALE,
        ids.TARGET,
    }
    reason = asked[ids.REASON]["element"]["initial_value"]
    assert reason.splitlines()[0] == "Error rate 7.2% is above 5.0%"
    assert asked[ids.AFFECTED_TEXT]["element"]["initial_value"] == "About 15.0% of users"
    assert asked[ids.TARGET]["element"]["initial_value"] == "v2.0.0"
    assert asked[ids.TARGET]["optional"] is True
    assert view["submit"]["text"] == "Declare incident"
    assert view["private_metadata"] == "d" * 32


def test_a_verdict_to_discuss_leaves_the_decision_to_the_team() -> None:
    mild = assessment(figures=figures(error_rate=0.02, latency_ms=220.0))
    view = modals.decision_form(draft(assessment=mild, verdict=verdict(mild)))
    assert "🟠 *Verdict: discuss a rollback* — severity High (P1)" in shown(view)
    assert "The procedure leaves it to the team" in shown(view)
    assert "initial_option" not in inputs(view)[ids.ALTERNATIVES]["element"]


def test_a_target_that_would_have_to_be_cut_is_not_filled_in() -> None:
    long = assessment(figures=figures(previous_release="v" * 300))
    asked = inputs(modals.decision_form(draft(assessment=long)))
    assert "initial_value" not in asked[ids.TARGET]["element"]


def test_a_verdict_to_monitor_declares_nothing_and_offers_a_watch() -> None:
    calm = assessment(
        figures=figures(error_rate=0.002, latency_ms=220.0), affected_users=None, description=""
    )
    watched = draft(assessment=calm, verdict=verdict(calm))
    view = modals.monitor_view(watched, watch_for=timedelta(minutes=30))
    said = shown(view)
    assert "🟢 *Verdict: keep watching*" in said
    assert "*Nothing is declared.*" in said
    assert "30 min" in said
    assert view["callback_id"] == ids.WATCH
    assert view["submit"]["text"] == "Keep watching"


@pytest.mark.parametrize(
    "form",
    [modals.decision_form, lambda d: modals.monitor_view(d, watch_for=timedelta(minutes=1))],
)
def test_a_decision_needs_a_verdict(form: Any) -> None:
    with pytest.raises(ValueError, match="no verdict"):
        form(draft(verdict=None))


def test_resolving_a_proven_recovery_needs_a_cause_and_a_follow_up() -> None:
    view = modals_.resolve_form(incident_in(Phase.RECOVERED))
    asked = inputs(view)
    required = {block_id for block_id, block in asked.items() if not block["optional"]}
    assert required == {ids.ROOT_CAUSE, ids.FOLLOW_UP}
    assert set(asked) - required == {
        ids.ACTIONS,
        ids.WENT_WELL,
        ids.TO_IMPROVE,
        ids.TIMELINE,
        ids.IMPACT,
    }
    options = asked[ids.FOLLOW_UP]["element"]["options"]
    assert [FollowUp(option["value"]) for option in options] == list(FollowUp)
    assert "⚠️" not in shown(view)
    assert view["private_metadata"] == "INC-2026-001"


@pytest.mark.parametrize("phase", [Phase.NOT_RECOVERED, Phase.INCONCLUSIVE, Phase.STOPPED])
def test_resolving_without_proof_is_warned_of(phase: Phase) -> None:
    view = modals_.resolve_form(incident_in(phase))
    assert "⚠️ *Recovery is not proven.*" in shown(view)


def test_a_rejection_carries_the_plan_it_is_about() -> None:
    view = modals_.reject_form("INC-2026-001", "f" * 64)
    assert view["private_metadata"] == "INC-2026-001 " + "f" * 64
    assert set(inputs(view)) == {ids.REASON}


def test_words_for_the_next_update_are_one_text() -> None:
    view = modals_.words_form("INC-2026-001")
    assert set(inputs(view)) == {ids.TEXT}
    assert view["private_metadata"] == "INC-2026-001"


def test_another_target_is_chosen_from_the_candidates_but_not_a_bad_one() -> None:
    asked = inputs(modals_.replan_form(incident_in(Phase.AWAITING_APPROVAL)))
    options = asked[ids.TARGET]["element"]["options"]
    assert [option["value"] for option in options] == ["v2.0.0", "v1.9.3"]
    assert options[0]["description"]["text"] == "known good, colour blue"
    assert asked[ids.TARGET]["optional"] is True
    assert asked[ids.TEXT]["optional"] is True


def test_without_candidates_a_release_can_still_be_typed() -> None:
    bare = incident_in(Phase.AWAITING_APPROVAL, plan=plan(candidates=()))
    assert set(inputs(modals_.replan_form(bare))) == {ids.TEXT}
    assert set(inputs(modals_.replan_form(incident_in(Phase.PLANNING_FAILED)))) == {ids.TEXT}


def test_a_message_keeps_its_lines_and_links_to_channels() -> None:
    view = modals_.message_view(
        "Not possible now", "*INC-1* is open.\n\nJoin <#C0INC0001>. <!here>"
    )
    assert view["title"]["text"] == "Not possible now"
    assert "*INC-1* is open.\n\nJoin <#C0INC0001>. &lt;!here&gt;" in shown(view)
    assert_view(view)
    long = modals_.message_view("This title is much too long for Slack", "Yes.")
    assert long["title"]["text"] == "This title is much too …"


def test_a_measured_drop_in_business_is_filled_in_with_its_source() -> None:
    found = figures(
        business_per_minute=30.0,
        baseline_business_per_minute=120.0,
        business_shortfall=0.75,
        p95_ms=900.0,
        baseline_p95_ms=300.0,
        saturation=0.83,
        source="Prometheus",
        baseline_note="36000 requests in the 1 h before the release",
    )
    view = modals.assessment_form(draft(figures=found, assessment=None, verdict=None))
    block = next(b for b in view["blocks"] if b.get("block_id") == ids.BUSINESS_DROP)
    assert block["element"]["initial_value"] == "75.00"
    assert "By Prometheus: 30.0 a minute, normal 120.0, down by 75.0%" in block["hint"]["text"]
    for said in (
        "95% within 900 ms (normal: 95% within 300 ms)",
        "83% of the limit",
        "Normal: 36000 requests in the 1 h before the release",
    ):
        assert said in shown(view)
