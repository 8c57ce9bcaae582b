"""What the bot itself owes an incident next: the same question after every event and restart."""

from __future__ import annotations

from enum import StrEnum

from bot.domain.incident import Incident, Phase


class Duty(StrEnum):
    """A piece of work that needs no person."""

    ASSEMBLE = "assemble"
    """Open the channel where there is to be one, assign and invite the team, announce."""
    PREPARE = "prepare"
    EXECUTE = "execute"
    VERIFY = "verify"
    REPORT = "report"


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
    return _BY_PHASE.get(incident.phase)
