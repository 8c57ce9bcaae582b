"""Alerts are written by strangers: whatever they say, the message holds and says what to do."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from bot.alerts.alertmanager import parse
from bot.alerts.inbox import DESCRIPTION, alert_card, prefill
from bot.assessment import modals
from bot.communication import ids
from bot.incident.alerts import Alert, Episode, taken_in
from bot.incident.state import Phase
from tests.communication.checks import assert_message, assert_view, buttons, shown
from tests.communication.examples import T0, draft, incident_in

HOSTILE = (
    "<!channel> <!here> <@U0EVIL001>",
    "<https://evil.example|Approve>",
    "&lt;!channel&gt; & *b* _i_ `c` ```d```",
    "line\n• fake\n> quoted",
    "\u202egnp.exe\u0000\u200b",
    "x" * 5_000,
    "",
)


def _episode(text: str = "Errors", *, count: int = 1, over: bool = False) -> Episode:
    """An episode as it comes out of a body in which every text is the same."""
    alerts = [
        {
            "status": "firing",
            "labels": {"alertname": text, "severity": text, "n": str(n)},
            "annotations": {"summary": text, "value": text},
            "startsAt": T0.isoformat(),
        }
        for n in range(count)
    ]
    told = _parsed(alerts)
    found = Episode(id="e" * 24, service="checkout", group="g", began_at=T0, heard_at=T0)
    found = taken_in(found, told, T0)
    if over:
        end = T0 + timedelta(minutes=4)
        ended = [alert.model_copy(update={"ended_at": end}) for alert in told]
        found = taken_in(found, ended, end)
    return found


def _parsed(alerts: list[dict[str, Any]]) -> list[Alert]:
    body = {"version": "4", "groupKey": "g", "alerts": alerts}
    return [alert for _, alert in parse(json.dumps(body).encode()).alerts]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("count", [1, 150])
def test_hostile_words_break_no_message_and_no_assessment(text: str, count: int) -> None:
    incident = incident_in(Phase.EXECUTING)
    for episode in (_episode(text, count=count), _episode(text, count=count, over=True)):
        for here, open_now in ((False, None), (False, incident), (True, incident)):
            assert_message(alert_card(episode, incident=open_now, here=here))
        said = prefill(episode)
        assert len(said.description) <= DESCRIPTION
        begun = draft()
        assert begun.assessment is not None
        filled = begun.assessment.model_copy(update={"description": said.description})
        assert_view(modals.assessment_form(begun.model_copy(update={"assessment": filled})))


def test_the_button_carries_the_service_and_the_id_of_what_is_known() -> None:
    (found,) = buttons(alert_card(_episode(), incident=None, here=False)).values()
    assert found["action_id"] == f"{ids.ASSESS}_checkout"
    assert found["value"] == f"checkout {'e' * 24}"
    assert "Nothing was declared." in shown(alert_card(_episode(), incident=None, here=False))


def test_more_alerts_than_have_room_are_counted() -> None:
    assert "more — see the sender" in shown(
        alert_card(_episode("A" * 60, count=150), incident=None, here=False)
    )


@pytest.mark.parametrize(
    ("text", "share"),
    [("12.5%", 0.125), ("0.125", 0.125), ("12.5", None), ("nan", None), ("-1", None), ("a", None)],
)
def test_an_error_rate_is_taken_only_when_it_can_be_one(text: str, share: float | None) -> None:
    (found,) = _parsed(
        [
            {
                "status": "firing",
                "labels": {},
                "annotations": {"error_rate": text},
                "startsAt": T0.isoformat(),
            }
        ]
    )
    assert found.error_rate == share
