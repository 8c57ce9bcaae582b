"""What changes are, and what every new plan and every new verification begins with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from bot.domain.events import Event
from bot.domain.incident import Incident

Changes = dict[str, Any]
"""New values of an incident's fields, by their names."""
Change = Callable[[Incident, Any, datetime], Changes]
"""What an event of one kind changes, at the moment at which it was recorded."""
Table = Mapping[type[Event], Change]

FRESH_VERIFICATION: Changes = {
    "verification": None,
    "instances": None,
    "samples": (),
    "extended": None,
    "judged": None,
    "judged_at": None,
    "smoke": None,
    "causes": None,
}
FRESH_EXECUTION: Changes = {
    **FRESH_VERIFICATION,
    "approvals": (),
    "escalated_at": None,
    "approved_at": None,
    "rejection": None,
    "execution_started_at": None,
    "steps": (),
    "milestones": {},
    "paused_by": None,
    "abort_by": None,
    "execution": None,
    "execution_finished_at": None,
    "evidence_from": None,
}
_OF_A_RUN = (
    *FRESH_EXECUTION,
    "plan",
    "proposed_at",
    "planning_failure",
    "baseline",
    "baseline_note",
    "baselines",
    "target_release",
    "parts",
    "undoing",
    "wished_by",
    "aimed_by",
)


def set_aside(incident: Incident) -> Changes:
    """Another plan is wanted: what has run so far is kept until that one runs."""
    if incident.execution is None:
        return {}
    return {"standing": incident.model_copy(update={"standing": None})}


def taken_up(incident: Incident) -> Changes:
    """The other plan never ran: what was done before it is what there is to tell."""
    standing = incident.standing
    if standing is None:
        return {}
    return {"standing": None, **{name: getattr(standing, name) for name in _OF_A_RUN}}
