"""What people type into a modal, however odd."""

from __future__ import annotations

from typing import Any

import pytest

from bot.communication import ids
from bot.core.values import Actor
from bot.incident.assessment import Draft, Figures
from bot.incident.events import FollowUp
from handlers import forms
from tests.company.virtual_clock import NOON

DRAFT = Draft(
    id="1", service="checkout", by=Actor(id="U1", name="ana"), asked_in="C1", opened_at=NOON
)


def _view(values: dict[str, Any]) -> dict[str, Any]:
    """A submitted view; texts become what Slack sends for an input."""
    state = {
        name: {name: {"type": "number_input", "value": value}}
        if isinstance(value, str | None)
        else {name: value}
        for name, value in values.items()
    }
    return {"state": {"values": state}}


@pytest.mark.parametrize(
    ("typed", "share"),
    [
        ("12", 0.12),
        ("12.5", 0.125),
        ("12,5", 0.125),
        ("5 %", 0.05),
        (" 5% ", 0.05),
        ("0", 0.0),
        ("100", 1.0),
        ("1e1", 0.1),
        ("", None),
        (None, None),
        ("   ", None),
    ],
)
def test_a_share_is_read_as_people_write_it(typed: str | None, share: float | None) -> None:
    found = forms.assessment(_view({ids.AFFECTED_USERS: typed}), DRAFT)
    assert found.affected_users == pytest.approx(share)


@pytest.mark.parametrize(
    "typed",
    ["NaN", "nan", "1e400", "inf", "-inf", "-1", "100.1", "many", "5 % %", "1.234,5", "0x10", "½"],
)
def test_a_share_that_makes_no_sense_is_explained_beside_its_input(typed: str) -> None:
    with pytest.raises(forms.FormError) as failed:
        forms.assessment(_view({ids.BUSINESS_DROP: typed}), DRAFT)
    assert set(failed.value.errors) == {ids.BUSINESS_DROP}
    assert failed.value.errors[ids.BUSINESS_DROP].startswith("Enter a number")


@pytest.mark.parametrize("typed", ["NaN", "1e400", "-3", "slow"])
def test_a_response_time_that_makes_no_sense_is_explained(typed: str) -> None:
    with pytest.raises(forms.FormError) as failed:
        forms.assessment(_view({ids.LATENCY: typed}), DRAFT)
    assert set(failed.value.errors) == {ids.LATENCY}


def test_every_wrong_input_is_named_at_once() -> None:
    values: dict[str, Any] = {ids.AFFECTED_USERS: "x", ids.BUSINESS_DROP: "-1", ids.LATENCY: "120"}
    with pytest.raises(forms.FormError) as failed:
        forms.assessment(_view(values), DRAFT)
    assert set(failed.value.errors) == {ids.AFFECTED_USERS, ids.BUSINESS_DROP}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {ids.AFFECTED_USERS: {}},
        {ids.FINDINGS: {"type": "checkboxes", "selected_options": []}},
        {ids.FINDINGS: {"type": "checkboxes", "selected_options": None}},
        {ids.FINDINGS: {"type": "checkboxes"}},
    ],
)
def test_what_slack_leaves_out_was_not_given(values: dict[str, Any]) -> None:
    found = forms.assessment(_view(values), DRAFT)
    assert found.affected_users is None
    assert found.description == ""
    assert not found.service_down


def test_an_empty_block_of_the_state_was_not_given() -> None:
    view: dict[str, Any] = {"state": {"values": {ids.DESCRIPTION: {}}}}
    assert forms.field(view, ids.DESCRIPTION) == ""
    assert forms.chosen(view, ids.DESCRIPTION) == frozenset()


def test_an_element_that_slack_renamed_is_found_in_its_block() -> None:
    view = {"state": {"values": {ids.REASON: {"other": {"value": " because "}}}}}
    assert forms.field(view, ids.REASON) == "because"


def test_ticked_findings_are_read() -> None:
    options = [{"value": ids.SERVICE_DOWN}, {"value": ids.COMPLAINTS}]
    ticked = {"type": "checkboxes", "selected_options": options}
    found = forms.assessment(_view({ids.FINDINGS: ticked}), DRAFT)
    assert (found.service_down, found.many_complaints) == (True, True)
    assert not found.data_corruption


def test_what_was_measured_is_not_overwritten_by_what_somebody_read() -> None:
    draft = DRAFT.model_copy(update={"figures": Figures(error_rate=0.2)})
    values: dict[str, Any] = {ids.ERROR_RATE: "1", ids.LATENCY: "120"}
    found = forms.assessment(_view(values), draft)
    assert (found.figures.error_rate, found.figures.latency_ms) == (0.2, 120)


def test_corrective_actions_stand_one_a_line() -> None:
    option = {"type": "static_select", "selected_option": {"value": FollowUp.HOTFIX.value}}
    values: dict[str, Any] = {ids.ACTIONS: " Test it \n\n  Alert on it\n", ids.FOLLOW_UP: option}
    concluded = forms.conclusion(_view(values), today=NOON.date())
    assert [action.text for action in concluded.corrective_actions] == ["Test it", "Alert on it"]
    assert concluded.follow_up is FollowUp.HOTFIX
    assert concluded.root_cause == ""
