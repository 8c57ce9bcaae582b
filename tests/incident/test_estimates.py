"""Durations are learned from what really happened."""

from __future__ import annotations

from datetime import timedelta

from bot.incident.duties import learned
from bot.incident.events import StepOutcome
from bot.incident.state import Incident, StepRecord
from tests.incident.story import NOON, PLAN, Story


def _past(*records: StepRecord) -> Incident:
    incident = Story().declared().planned().incident
    return incident.model_copy(update={"steps": records})


def _ran(seconds: float, outcome: StepOutcome = StepOutcome.ACTED, **more: bool) -> StepRecord:
    end = NOON + timedelta(seconds=seconds)
    return StepRecord(started_at=NOON, finished_at=end, outcome=outcome, **more)


def test_a_kind_that_ran_before_takes_its_median() -> None:
    past = [_past(_ran(7)), _past(_ran(9)), _past(_ran(40))]
    assert learned(PLAN, past).steps[0].estimate_seconds == 9


def test_what_never_ran_keeps_the_estimate_of_its_strategy() -> None:
    assert learned(PLAN, [_past()]).steps == PLAN.steps


def test_steps_that_did_nothing_or_were_interrupted_teach_nothing() -> None:
    past = [_past(_ran(0.1, StepOutcome.ALREADY)), _past(_ran(900, resumed=True))]
    assert learned(PLAN, past).steps[0] == PLAN.steps[0]
