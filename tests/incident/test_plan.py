"""A plan's hash stands for everything that was approved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.incident.plan import Plan, Preflight, PreflightVerdict, StepSpec
from tests.incident.story import NOON, PLAN

FIRST = PLAN.steps[0]


def with_step(**changes: Any) -> Plan:
    """The plan with its first step changed."""
    steps = (FIRST.model_copy(update=changes), *PLAN.steps[1:])
    return PLAN.model_copy(update={"steps": steps})


def rebuilt(plan: Plan) -> Plan:
    """As it comes back from the store."""
    return Plan.model_validate_json(plan.model_dump_json())


CHANGES: dict[str, Plan] = {
    "service": PLAN.model_copy(update={"service": "basket"}),
    "strategy": PLAN.model_copy(update={"strategy": "rolling"}),
    "from_release": PLAN.model_copy(update={"from_release": "v2.1.1"}),
    "to_release": PLAN.model_copy(update={"to_release": "v1.9.0"}),
    "data_loss": PLAN.model_copy(update={"data_loss": "All orders since noon"}),
    "downtime": PLAN.model_copy(update={"downtime": "5 min"}),
    "not_reversible": PLAN.model_copy(update={"not_reversible": ()}),
    "not_restored": PLAN.model_copy(update={"not_restored": ()}),
    "observed": PLAN.model_copy(update={"observed": {"selector": {"version": "blue"}}}),
    "candidates": PLAN.model_copy(update={"candidates": ()}),
    "order of steps": PLAN.model_copy(update={"steps": PLAN.steps[::-1]}),
    "number of steps": PLAN.model_copy(update={"steps": PLAN.steps[:-1]}),
    "step title": with_step(title="Do something else"),
    "step action": with_step(action=StepSpec(kind="patch-service", params={"name": "other"})),
    "step expectation": with_step(expects={}),
    "step inverse": with_step(inverse=None),
    "step command": with_step(command="rm -rf /"),
    "step milestone": with_step(milestone=None),
    "preflight verdict": PLAN.model_copy(
        update={
            "preflights": (
                PLAN.preflights[0].model_copy(update={"verdict": PreflightVerdict.WARN}),
                PLAN.preflights[1],
            )
        }
    ),
    "preflight missing": PLAN.model_copy(update={"preflights": PLAN.preflights[:1]}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changes_what_was_approved_changes_the_hash(what: str) -> None:
    assert rebuilt(CHANGES[what]).hash != PLAN.hash


def test_equal_facts_give_the_same_plan_however_often_they_are_looked_at() -> None:
    later = PLAN.model_copy(update={"observed_at": NOON + timedelta(minutes=5)})
    assert rebuilt(later).hash == PLAN.hash


def test_passing_figures_in_a_preflights_sentence_do_not_change_the_plan() -> None:
    said = PLAN.preflights[0].model_copy(update={"sentence": "Blue has 4 of 4 pods ready."})
    assert rebuilt(PLAN.model_copy(update={"preflights": (said, PLAN.preflights[1])})).hash == (
        PLAN.hash
    )


def test_the_order_of_keys_does_not_matter() -> None:
    facts = {"a": 1, "b": {"c": 2, "d": 3}}
    turned = {"b": {"d": 3, "c": 2}, "a": 1}
    one, other = (rebuilt(PLAN.model_copy(update={"observed": o})) for o in (facts, turned))
    assert one.hash == other.hash


def test_the_hash_survives_the_store() -> None:
    assert rebuilt(PLAN).hash == PLAN.hash
    assert len(PLAN.hash) == 64


def test_a_blocking_preflight_makes_a_plan_unsafe() -> None:
    block = Preflight(name="rights", verdict=PreflightVerdict.BLOCK, sentence="No right to patch.")
    unsafe = PLAN.model_copy(update={"preflights": (*PLAN.preflights, block)})
    assert PLAN.is_safe
    assert not unsafe.is_safe
    assert unsafe.blocks == (block,)


def test_the_script_holds_every_step_with_its_command_and_stops_at_the_first_failure() -> None:
    script = PLAN.script()
    assert script.startswith("#!/bin/sh\n")
    assert "set -eu" in script
    for number, step in enumerate(PLAN.steps, start=1):
        assert f"# {number}. {step.title}\n{step.command}\n" in script
    assert PLAN.expected_seconds == 70


def test_a_changed_copy_of_a_plan_has_a_hash_of_its_own() -> None:
    before = PLAN.hash
    changed = PLAN.model_copy(update={"to_release": "v1.9.0"})
    assert changed.hash != before
    assert PLAN.model_copy(update={"to_release": PLAN.to_release}).hash == before
