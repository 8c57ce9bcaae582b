"""Every surface beside the journey's own, when there is as much to say as there can be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from bot.communication import announcements, external, modals, recovery_card
from bot.communication import cards as cards_
from bot.communication.blocks import Message
from bot.core.values import Actor
from bot.freeze import cards
from bot.incident import events as e
from bot.incident.freeze import Freeze
from bot.incident.plan import PlanPart
from bot.incident.state import Incident, OutsideMessage, OutsideState, Phase
from bot.judge.counts import Judgement, RecoveryVerdict
from bot.paperwork import actions, post_mortem
from bot.proof import relapse
from tests.communication.checks import assert_message, assert_view, buttons, inputs, shown
from tests.communication.examples import ANA, T0, frame, incident_in, plan

NASTY = "<!channel> & <https://evil.example|Approve> `x` *y* ```z``` \u202e "
WORDS = ("", "v2.1.0", NASTY * 60, "😀" * 3_000, "line\n" * 900)
DIGEST = f"registry.example/shop/checkout@sha256:{'0123456789abcdef' * 4}"
CROWD = tuple(Actor(id=f"person {n} of {NASTY}", name=f"{n} {'name ' * 30}") for n in range(60))
SERVICES = tuple(f"service-{n:02d}-with-a-name-that-is-as-long-as" for n in range(30))


def _freezes(words: str) -> e.FreezeSet:
    return e.FreezeSet(
        marks=tuple(f"Deployment shop/{words} {n}" for n in range(12)),
        problems=(words * 2,) * 9,
        freezes=tuple(
            Freeze(
                service=service,
                incident_id="INC-2026-001",
                plan_hash="f" * 64,
                release=words,
                until=T0 + timedelta(days=7),
            )
            for service in SERVICES
        ),
    )


def _meeting(**changes: Any) -> e.PostMortemScheduled:
    start = T0 + timedelta(hours=30)
    given = {"start": start, "minutes": 90, "zone": "Asia/Kolkata", "people": CROWD, **changes}
    return e.PostMortemScheduled.model_validate(given)


def _relapse(words: str) -> e.Relapsed:
    judgement = Judgement(
        verdict=RecoveryVerdict.NOT_RECOVERED,
        reasons=(words,) * 9,
        requests=10,
        errors=9,
        limit=0.01,
    )
    return e.Relapsed(since=T0, judgement=judgement)


def _concluded(words: str) -> Incident:
    action = e.CorrectiveAction(text=words or "Test it", owner=", ".join([words] * 9))
    conclusion = e.Conclusion(
        root_cause=words, corrective_actions=(action,) * 40, follow_up=e.FollowUp.DEFER
    )
    return incident_in(Phase.RESOLVED, conclusion=conclusion, extra=(_freezes(words),))


def _after(words: str) -> Iterator[Message]:
    """What is said after a verdict."""
    incident, frozen = _concluded(words), _freezes(words)
    compared = e.ChangesCompared(
        base=words,
        head=words,
        url=words,
        commits=(e.Commit(sha=words, title=words, author=words),) * 300,
        total_commits=900,
    )
    yield cards.frozen_post(frozen, incident)
    lifted = e.FreezeLifted(by=CROWD[0], why=words)
    yield cards.lifted_post(lifted, incident, services=SERVICES)
    yield cards.unfrozen_reply(frozen.freezes[0])
    yield actions.changes(compared)
    yield actions.release_plan_updated(e.ReleasePlanUpdated(where=words))
    yield actions.ask_after(incident, 39)
    yield post_mortem.invited(incident, _meeting(late=True, by=CROWD[1]))
    yield post_mortem.reminder(incident.model_copy(update={"post_mortem": _meeting()}))
    yield relapse.relapse_post(incident, frame(), _relapse(words), here=True)
    yield relapse.relapsed_elsewhere("checkout", "INC-2026-001", "", _relapse(words), why=words)
    yield announcements.came_back("checkout", words, "INC-2026-001", seen=words)
    yield cards_.status_card(incident, frame())


@pytest.mark.parametrize("words", WORDS, ids=lambda words: f"{len(words)}")
def test_slack_takes_everything_that_is_said_after_a_verdict(words: str) -> None:
    for message in _after(words):
        assert_message(message)


@pytest.mark.parametrize("state", OutsideState)
@pytest.mark.parametrize("words", WORDS[1:], ids=lambda words: f"{len(words)}")
def test_slack_takes_every_draft_and_the_form_that_changes_it(
    words: str, state: OutsideState
) -> None:
    incident = incident_in(Phase.VERIFYING)
    draft = OutsideMessage(
        number=1, message=e.ExternalMessage.IDENTIFIED, text=words, state=state, at=T0
    )
    assert_message(external.draft_card(incident, draft, tuple(SERVICES)))
    assert_view(external.edit_external_form(incident, draft))


@pytest.mark.parametrize("words", WORDS[1:], ids=lambda words: f"{len(words)}")
def test_slack_takes_the_forms_of_the_end(words: str) -> None:
    incident = _concluded(words)
    assert_view(modals.resolve_form(incident))
    assert_view(post_mortem.move_form(incident, _meeting(zone="America/Argentina/Ushuaia")))
    loses = plan(data_loss=words, downtime=words, typed_confirmation=words, approvers=2)
    assert_view(modals.confirm_form(incident.id, loses))


def _part(number: int) -> PlanPart:
    return PlanPart(
        service=SERVICES[number], strategy="rolling", from_release=DIGEST, to_release=DIGEST
    )


def test_a_plan_over_many_services_counts_those_that_it_does_not_list() -> None:
    many = incident_in(Phase.AWAITING_APPROVAL, plan=plan(parts=tuple(_part(n) for n in range(14))))
    card = cards_.plan_card(many, frame())
    assert_message(card)
    listed = shown(card).count(": `registry.example")
    assert 0 < listed < 14
    assert f"and {14 - listed} more" in shown(card)


def test_every_part_of_a_composed_rollback_can_be_chosen_however_many_there_are() -> None:
    parts = [f"{service[:30]}/rolling" for service in SERVICES[:12]]
    form = modals.replan_form(incident_in(Phase.AWAITING_APPROVAL), parts=parts)
    assert_view(form)
    element = inputs(form)["parts"]["element"]
    assert [option["value"] for option in element["options"]] == parts
    # Submitted as it opens, it must not leave a part of the rollback out.
    assert [option["value"] for option in element["initial_options"]] == parts


def test_an_unproven_recovery_says_what_to_try_even_when_everything_is_wrong() -> None:
    checks = tuple(
        e.CauseCheck(
            cause=cause,
            finding=e.CauseFinding.LIKELY,
            evidence=("A long sentence of evidence. " * 9,) * 9,
            services=SERVICES[:3],
        )
        for cause in e.Cause
    )
    results = tuple(
        e.SmokeResult(name=f"{n} " + "task " * 12, passed=False, what="x" * 900, seconds=9.0)
        for n in range(30)
    )
    instances = tuple(
        e.InstanceCheck(name=f"pod-{n}", ready=False, version=DIGEST, problem="y" * 300)
        for n in range(90)
    )
    judgement = Judgement(
        verdict=RecoveryVerdict.NOT_RECOVERED, reasons=("z" * 250,) * 30, requests=10, errors=9
    )
    incident = incident_in(
        Phase.NOT_RECOVERED,
        judgement=judgement,
        instances=e.InstancesChecked(
            instances=instances, health_ok=False, version=DIGEST, problems=("w" * 300,) * 9
        ),
        extra=(e.CausesChecked(checks=checks),),
    )
    incident = incident.model_copy(update={"smoke": e.SmokeTested(results=results)})
    card = recovery_card.recovery_card(incident, frame())
    assert_message(card)
    said = shown(card)
    for number in range(1, len(e.Cause) + 1):
        assert f"\n{number}. *" in f"\n{said}", "every cause is named, with who does what"
    assert "parts did not fit" not in said
    assert {"verify_again", "assess_1"} <= set(buttons(card))


def test_a_reason_is_escaped_once_in_what_notifications_show() -> None:
    message = relapse.relapsed_elsewhere(
        "checkout", "INC-2026-001", "", _relapse("x"), why="a < b & c"
    )
    assert "a &lt; b &amp; c" in message.text
    assert ANA.id not in message.text
