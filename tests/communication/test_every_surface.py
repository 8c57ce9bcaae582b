"""Whatever people and machines write, Slack takes every message and nothing is injected."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st

from bot.core.values import Actor, Value
from bot.incident import events as e
from bot.incident.assessment import Assessment, Figures
from bot.incident.plan import Candidate, Plan, Preflight, PreflightVerdict
from bot.incident.state import Incident, Phase
from bot.judge.counts import Judgement, RecoveryVerdict
from tests.communication.checks import assert_message, assert_view
from tests.communication.examples import draft, frame, incident_in, plan, steps, verdict
from tests.communication.surfaces import cards_of, other_messages, posts_of, views_of


@pytest.mark.parametrize("phase", Phase)
def test_every_surface_is_accepted_in_every_phase(phase: Phase) -> None:
    incident = incident_in(phase)
    for message in (*cards_of(incident, frame()), *posts_of(incident, frame())):
        assert_message(message)
    for view in views_of(incident, draft(), "That did not work."):
        assert_view(view)


NASTY = st.sampled_from(
    (
        "",
        " \n\t ",
        "<!channel> <!here> <@U0EVIL001>",
        "<https://evil.example|Approve>",
        "&lt;!channel&gt; &amp; & < >",
        "*bold* _it_ ~gone~ `code` ```block```",
        "line one\nline two\n> quoted\n✅ Approved by Ben",
        "🧑‍🚀🔥" * 3,
        "\u202egnp.exe\u0000\ud800\u200b",
        "|^{date}|{time}",
        "a",
        "word ",
    )
)


class Recipe(Value):
    """Little of what makes a lot: the hostile words are repeated when they are used."""

    words: tuple[str, str, str]
    repeat: tuple[int, int, int]
    items: int
    crowd: int
    figures: tuple[float | None, float | None, float | None]
    blocked: bool
    well: bool | None
    by: str
    channel: str
    dedicated: bool

    def word(self, number: int) -> str:
        """One of the hostile texts."""
        return self.words[number] * self.repeat[number]


RECIPES = st.builds(
    Recipe,
    words=st.tuples(*[NASTY | st.text(max_size=12)] * 3),
    repeat=st.tuples(*[st.sampled_from((1, 2, 40, 700))] * 3),
    items=st.sampled_from((0, 1, 3, 60)),
    crowd=st.sampled_from((0, 60)),
    figures=st.tuples(
        st.none() | st.floats(0, 1), st.none() | st.floats(0, 1e9), st.none() | st.floats(0, 1e6)
    ),
    blocked=st.booleans(),
    well=st.sampled_from((None, True, False)),
    by=st.sampled_from(("U0ANA0001", "cli:<!channel>", "")),
    channel=st.sampled_from(("C0INC0001", "<!channel>", "general")),
    dedicated=st.booleans(),
)


def _hostile(recipe: Recipe) -> dict[str, Any]:
    """A story in which every text is an attempt to break a message."""
    text, other = recipe.word(0), recipe.word(1)
    several = (recipe.word(2),) * recipe.items
    crowd = tuple(Actor(id=f"U0X{n:05d}", name=other) for n in range(recipe.crowd))
    rate, latency, normal = recipe.figures
    figures = Figures(
        current_release=text or None,
        previous_release=other or None,
        error_rate=rate,
        latency_ms=latency,
        baseline_latency_ms=normal,
        problems=several,
    )
    return {
        "service": text,
        "by": Actor(id=recipe.by, name=text),
        "assessment": Assessment(service=text, figures=figures, description=other),
        "decision": e.Decision(
            reason=text, affected_users=other, alternatives=text, rationale=other
        ),
        "channel": e.ChannelOpened(
            channel_id=recipe.channel, channel_name=other, dedicated=recipe.dedicated, note=text
        ),
        "roles": tuple(e.RoleAssignment(role=role, people=crowd) for role in e.Role),
        "notes": tuple(
            e.Noted(subject=f"{number} {word}", what=word or "x", remedy=other)
            for number, word in enumerate(several)
        ),
        "plan": _hostile_plan(recipe, text, other, several),
        "baseline_note": text,
        "failure": e.PlanningFailed(what=text, remedy=other),
        "rejection": text,
        "stopped": e.ExecutionFinished(
            outcome=e.ExecutionOutcome.CONFLICT, what=text, remedy=other
        ),
        "instances": e.InstancesChecked(
            instances=tuple(
                e.InstanceCheck(name=word, ready=bool(n % 2), version=word or None, problem=text)
                for n, word in enumerate(several)
            ),
            health_ok=recipe.well,
            version=other or None,
            problems=several,
        ),
        "conclusion": e.Conclusion(
            root_cause=text,
            corrective_actions=several,
            went_well=other,
            to_improve=text,
            follow_up=e.FollowUp.REPLAN,
            follow_up_timeline=other,
            impact=text,
        ),
    }


def _hostile_plan(recipe: Recipe, text: str, other: str, several: tuple[str, ...]) -> Plan:
    """A plan with too much of everything."""
    judged = PreflightVerdict.BLOCK if recipe.blocked else PreflightVerdict.WARN
    some = [step.model_copy(update={"title": text, "command": other}) for step in steps()]
    return plan(
        service=text,
        strategy=other,
        from_release=text,
        to_release=other,
        steps=tuple(some * max(1, recipe.items // 3)),
        preflights=tuple(Preflight(name=word, verdict=judged, sentence=text) for word in several),
        not_reversible=several,
        not_restored=several,
        data_loss=text,
        downtime=other,
        candidates=tuple(Candidate(release=word, detail=other) for word in (*several, text, other)),
    )


def _incident(phase: Phase, parts: dict[str, Any], verdict_of: RecoveryVerdict) -> Incident:
    reasons = tuple(str(p) for p in parts["instances"].problems)
    judgement = Judgement(verdict=verdict_of, reasons=reasons, requests=10, errors=1)
    words = e.WordsAdded(by=parts["by"], text=parts["rejection"])
    extra = (words,) * 7 if phase is not Phase.RESOLVED else ()
    return incident_in(phase, **parts, judgement=judgement, extra=extra)


VERDICTS = {
    Phase.NOT_RECOVERED: RecoveryVerdict.NOT_RECOVERED,
    Phase.INCONCLUSIVE: RecoveryVerdict.INCONCLUSIVE,
}


# Without shrinking: a recipe is small enough to read as it is.
HOSTILE = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=(Stage.explicit, Stage.generate),
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.parametrize("phase", Phase)
@HOSTILE
@given(recipe=RECIPES)
def test_hostile_words_break_no_message(phase: Phase, recipe: Recipe) -> None:
    verdict_of = VERDICTS.get(phase, RecoveryVerdict.RECOVERED)
    incident = _incident(phase, _hostile(recipe), verdict_of)
    for message in (*cards_of(incident, frame()), *posts_of(incident, frame())):
        assert_message(message)


@settings(HOSTILE, max_examples=30)
@given(recipe=RECIPES)
def test_hostile_words_break_no_modal_and_no_reply(recipe: Recipe) -> None:
    parts, words = _hostile(recipe), recipe.word(2)
    found = parts["assessment"]
    started = draft(
        # The catalog allows no other names, because a service's name becomes part of a channel's.
        service="a-service-with-quite-a-long-name-as-such",
        by=parts["by"],
        figures=found.figures,
        assessment=found,
        verdict=verdict(found),
    )
    incident = _incident(Phase.INCONCLUSIVE, parts, RecoveryVerdict.INCONCLUSIVE)
    for view in views_of(incident, started, words):
        assert_view(view)
    for message in other_messages(started, words):
        assert_message(message)
