"""Smoke tests, causes, probes and relapses in words: complete, escaped, and with what to do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.communication.recovery_card import recovery_card
from bot.incident import events as e
from bot.incident.state import Incident, Phase
from bot.judge.counts import Judgement, RecoveryVerdict
from bot.proof.relapse import relapse_post, relapsed_elsewhere
from tests.communication.checks import assert_message, buttons, shown
from tests.communication.examples import T0, frame, incident_in

NASTY = "<!channel> *bold* `code` <https://evil.example|Approve>\n🔥" * 20
RELAPSED = e.Relapsed(
    judgement=Judgement(
        verdict=RecoveryVerdict.NOT_RECOVERED,
        reasons=(NASTY,),
        requests=3000,
        errors=150,
        limit=0.006,
        lower=0.04,
        upper=0.06,
    ),
    since=T0 + timedelta(hours=1),
)


def _causes(finding: e.CauseFinding, *, evidence: tuple[str, ...]) -> e.CausesChecked:
    return e.CausesChecked(
        checks=tuple(
            e.CauseCheck(
                cause=cause,
                finding=finding,
                evidence=evidence,
                services=("payments", "search") if cause is e.Cause.OTHER_SERVICE else (),
            )
            for cause in e.Cause
        )
    )


def _unproven(*extra: e.AnyEvent) -> Incident:
    return incident_in(Phase.NOT_RECOVERED, extra=extra)


def test_each_likely_cause_says_what_was_seen_and_who_does_what_next() -> None:
    card = recovery_card(_unproven(_causes(e.CauseFinding.LIKELY, evidence=("Seen.",))), frame())
    said = shown(card)
    assert said.count("🔴 likely: Seen.") == len(e.Cause)
    assert "*Database Administrator* (nobody yet; <@U0ANA0001> stands in): check whether" in said
    assert {"assess_1", "assess_2", "verify_again", "open_replan", "undo"} <= set(buttons(card))
    assert buttons(card)["assess_2"]["value"] == "search"


def test_a_cause_that_was_ruled_out_asks_nobody_for_anything() -> None:
    checked = _causes(e.CauseFinding.UNLIKELY, evidence=("All 3 replicas are ready.",))
    said = shown(recovery_card(_unproven(checked), frame()))
    assert "1. *The target release does not serve everywhere.* 🟢 unlikely: All 3" in said
    assert "mend the replicas" not in said


@pytest.mark.parametrize("finding", e.CauseFinding)
def test_hostile_evidence_breaks_no_card(finding: e.CauseFinding) -> None:
    assert_message(recovery_card(_unproven(_causes(finding, evidence=(NASTY,) * 9)), frame()))


def test_hostile_smoke_tests_break_no_card_and_failures_come_first() -> None:
    results = tuple(
        e.SmokeResult(name=f"{n} {NASTY}", passed=n != 25, what="" if n != 25 else NASTY)
        for n in range(30)
    )
    verifying = incident_in(Phase.VERIFYING, extra=(e.SmokeTested(results=results),))
    card = recovery_card(verifying, frame())
    assert_message(card)
    said = shown(card)
    assert said.index("🔴 25 ") < said.index("✅ 0 ")
    assert "more — see the report" in said
    assert "*Deployment Lead* (<@U0CARA001>): try it by hand" in said


def test_a_relapse_stands_on_the_card_and_in_a_post_with_its_buttons() -> None:
    incident = incident_in(Phase.RECOVERED, extra=(RELAPSED,))
    assert incident.phase is Phase.NOT_RECOVERED
    card = recovery_card(incident, frame())
    assert_message(card)
    assert "Worse again at" in shown(card)
    post = relapse_post(incident, frame(), RELAPSED, here=True)
    assert_message(post)
    assert "checkout got worse again after its recovery" in shown(post)
    assert {"verify_again", "open_replan"} <= set(buttons(post))
    assert buttons(relapse_post(incident, frame(), RELAPSED, here=False)) == {}


def test_a_relapse_beside_another_incident_names_where_to_go_on() -> None:
    there = relapsed_elsewhere("checkout", "INC-2026-001", "INC-2026-002", RELAPSED, why="open")
    assert_message(there)
    assert "go on in INC-2026-002" in shown(there)
    nowhere = relapsed_elsewhere("checkout", "INC-2026-001", "", RELAPSED, why=NASTY)
    assert_message(nowhere)
    assert buttons(nowhere)["assess"]["value"] == "checkout"


def test_a_recovery_says_until_when_it_is_watched() -> None:
    incident = incident_in(Phase.RECOVERED)
    assert incident.judged is not None
    until = T0 + timedelta(hours=2)
    judged = incident.judged.model_copy(update={"watched_until": until})
    said = shown(recovery_card(incident.model_copy(update={"judged": judged}), frame()))
    assert "opens the incident again if it relapses" in said
