"""What the bot itself owes an incident next: the same question after every event and restart."""

from __future__ import annotations

from enum import StrEnum

from bot.domain.incident import Incident, Phase
from bot.domain.proof import is_proven


class Duty(StrEnum):
    """A piece of work that needs no person."""

    ASSEMBLE = "assemble"
    """Open the channel where there is to be one, assign and invite the team, announce."""
    PREPARE = "prepare"
    EXECUTE = "execute"
    VERIFY = "verify"
    FIND_CAUSES = "find causes"
    """Recovery is not proven: look at the known causes one by one."""
    FREEZE = "freeze"
    """Freeze deploys after a proven rollback, and free them before it is undone."""
    REPORT = "report"


_UNPROVEN = frozenset({Phase.NOT_RECOVERED, Phase.INCONCLUSIVE})
_BY_PHASE = {
    Phase.PLANNING: Duty.PREPARE,
    Phase.APPROVED: Duty.EXECUTE,
    Phase.EXECUTING: Duty.EXECUTE,
    Phase.VERIFYING: Duty.VERIFY,
    Phase.RESOLVED: Duty.REPORT,
}


def owed(incident: Incident) -> Duty | None:
    """The next duty, or None while the incident waits for a person or is done.

    Work that was interrupted is owed again, because only its last event ends it.
    """
    if not incident.has_place or incident.team is None:
        return Duty.ASSEMBLE
    if incident.paused_by is not None:
        return None
    if incident.report is not None:
        return None
    if _owes_freeze(incident):
        return Duty.FREEZE
    if incident.phase in _UNPROVEN and incident.causes is None:
        return Duty.FIND_CAUSES
    return _BY_PHASE.get(incident.phase)


def _owes_freeze(incident: Incident) -> bool:
    """Whether the deploy freeze is not what the last rollback calls for.

    A freeze that was lifted is not set again for the same plan.
    """
    plan = incident.plan
    if plan is None:
        return False
    if plan.undoes:
        # People decided that the withdrawn release was not the cause.
        return incident.freeze is not None and incident.approved_at is not None
    return is_proven(incident) and incident.frozen_for != plan.hash
