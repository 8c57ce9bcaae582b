"""The home tab stays within Slack's limits, injects nothing, and says what comes next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.communication import ids
from bot.home.home import Home, OpenIncident, PastIncident, home_view
from bot.home.model import (
    ActionToDo,
    Deployment,
    DraftToSend,
    Ledger,
    Outcome,
    PlanToApprove,
    Statistics,
    Waiting,
    statistics_of,
)
from bot.incident.events import CorrectiveAction, ExternalMessage
from bot.incident.state import Phase
from bot.judge.counts import RecoveryVerdict
from sandbox.slack.blockkit.surfaces import check_view, view_problems
from tests.communication.checks import assert_nothing_injected, shown
from tests.communication.examples import T0, frame, incident_in

HOSTILE = "<!channel> <https://evil.example|x> *b* `c`" * 40
START = T0 - timedelta(days=89)


def _outcome(**changes: Any) -> Outcome:
    given = {
        "incident_id": "INC-2026-001",
        "service": "checkout",
        "release": "v2.1.0",
        "detected_at": T0,
        "intervened_at": T0,
        "verdict": RecoveryVerdict.RECOVERED,
        "recovered_at": T0 + timedelta(minutes=13),
    }
    return Outcome.model_validate(given | changes)


def _statistics(*problems: str) -> Statistics:
    seen = tuple(
        Deployment(service="checkout", release=f"v2.{n}.0", at=T0 - timedelta(days=n))
        for n in range(4)
    )
    ledgers = [Ledger(service="checkout", since=START, deployments=seen)]
    ledgers += [Ledger(service=f"s{n}", problem=text) for n, text in enumerate(problems)]
    return statistics_of([_outcome()], ledgers, start=START, end=T0 + timedelta(days=1))


def _home(**changes: Any) -> Home:
    given: dict[str, Any] = {
        "waiting": Waiting(),
        "open": (),
        "past": (),
        "statistics": _statistics(),
        "services": ("checkout", "payments"),
    }
    return Home(**(given | changes))


def _assert_view(view: dict[str, Any]) -> None:
    assert [str(problem) for problem in view_problems(view)] == []
    check_view(view, kinds=("home",))
    assert_nothing_injected(view)


def test_an_empty_home_says_so_and_how_to_begin() -> None:
    view = home_view(_home())
    _assert_view(view)
    said = shown(view)
    for part in ("Nothing waits for you.", "No incident is open.", "There has been none yet."):
        assert part in said
    row = next(block for block in view["blocks"] if block["type"] == "actions")
    assert [element["value"] for element in row["elements"]] == ["checkout", "payments"]
    assert all(element["action_id"].startswith(ids.ASSESS) for element in row["elements"])


def test_what_waits_stands_first_with_the_way_to_it() -> None:
    awaiting, over = incident_in(Phase.AWAITING_APPROVAL), incident_in(Phase.RESOLVED)
    waiting = Waiting(
        plans=(
            PlanToApprove(incident=awaiting),
            PlanToApprove(incident=awaiting, from_at=T0),
        ),
        drafts=(DraftToSend(incident=over, messages=(ExternalMessage.RESOLVED,)),),
        actions=(ActionToDo(incident=over, action=CorrectiveAction(text="Load-test the pool")),),
        problems=("Slack did not answer.",),
    )
    view = home_view(_home(waiting=waiting))
    _assert_view(view)
    said = shown(view)
    assert "*INC-2026-001* checkout in <#C0INC0001>: read the plan v2.1.0 → v2.0.0" in said
    assert "your approval counts from" in said
    assert "send or discard the message to customers (resolved)" in said
    assert "🔧" in said
    assert "Load-test the pool" in said
    assert "⚠️ Slack did not answer." in said


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.RESOLVED])
def test_every_open_incident_says_what_comes_next(phase: Phase) -> None:
    view = home_view(_home(open=(OpenIncident(incident=incident_in(phase), frame=frame()),)))
    _assert_view(view)
    assert "Next: " in shown(view)


def test_figures_come_with_what_is_not_known() -> None:
    said = shown(home_view(_home(statistics=_statistics("Deployments of search are not known."))))
    assert "Last 90 days, all services" in said
    assert "13 min" in said
    assert "25.0% (1 of 4 since" in said
    assert "• Deployments of search are not known." in said


def test_past_incidents_show_verdict_and_recovery_time() -> None:
    past = (PastIncident(incident=incident_in(Phase.RESOLVED), outcome=_outcome()),)
    assert "immediate (P0): recovered in 13 min." in shown(home_view(_home(past=past)))


def test_too_much_of_everything_and_hostile_words_still_fit() -> None:
    incident = incident_in(Phase.STOPPED, service="a-service-with-quite-a-long-name-as-such")
    hostile = Waiting(
        actions=(
            ActionToDo(incident=incident, action=CorrectiveAction(text=HOSTILE, owner=HOSTILE)),
        )
        * 40,
        plans=(PlanToApprove(incident=incident),) * 40,
        problems=(HOSTILE,) * 9,
    )
    view = home_view(
        _home(
            waiting=hostile,
            open=(OpenIncident(incident=incident, frame=frame()),) * 50,
            more_open=7,
            past=(PastIncident(incident=incident, outcome=_outcome(relapses=2)),) * 40,
            statistics=_statistics(*(f"{HOSTILE} {n}" for n in range(40))),
            services=tuple(f"service-{n}" for n in range(300)),
        )
    )
    _assert_view(view)
    said = shown(view)
    assert len(view["blocks"]) <= 100
    for part in ("42 more are open", "225 more can be typed", "more — see the channels"):
        assert part in said
