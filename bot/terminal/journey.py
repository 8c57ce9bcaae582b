"""An incident from one end of the terminal to the other: ``run`` and ``resume``."""

from __future__ import annotations

from bot.domain import events as e
from bot.domain.incident import Incident, Phase
from bot.pipeline import declare, execute
from bot.terminal.approval import ask_for_approval, check_approved_by
from bot.terminal.ending import ask_for_conclusion, ask_what_next
from bot.terminal.live import Follower
from bot.terminal.seat import Seat, request_id
from bot.views.state import headline

_NEEDS_A_PERSON = frozenset(
    {
        Phase.PLANNING_FAILED,
        Phase.REJECTED,
        Phase.STOPPED,
        Phase.NOT_RECOVERED,
        Phase.INCONCLUSIVE,
    }
)


async def begin(
    seat: Seat,
    *,
    service: str,
    strategy: str | None,
    target: str | None,
    reason: str,
    parts: tuple[str, ...] = (),
    approved_by: str,
) -> Incident:
    """Declare an incident and go all the way with it.

    Raises RefusedError when it cannot begin.
    """
    check_approved_by(seat, service, approved_by)
    incident = await declare.declare_at_terminal(
        seat.context,
        service=service,
        strategy=strategy,
        target_release=target,
        parts=parts,
        reason=reason,
        operator=seat.operator,
    )
    follower = Follower(seat=seat, incident_id=incident.id)
    return await _go(seat, follower, target=target, approved_by=approved_by)


async def go_on(seat: Seat, incident_id: str, *, target: str | None, approved_by: str) -> Incident:
    """Take an incident up where it stands, wherever it began.

    Raises NotFoundError for an unknown id.
    """
    incident = await seat.context.journal.load(incident_id)
    check_approved_by(seat, incident.declared.service, approved_by)
    seat.say(f"{incident.id}: {headline(incident)}", style="bold")
    follower = Follower(seat=seat, incident_id=incident.id, told=incident.seq)
    if incident.paused_by is not None:
        wish = e.ResumeRequested(by=seat.operator)
        await execute.steer(seat.context, incident.id, wish, request_id=request_id())
    elif incident.phase in _NEEDS_A_PERSON:
        after = await ask_what_next(seat, incident, target=target)
        if after.seq == incident.seq:
            return incident
    return await _go(seat, follower, target=target, approved_by=approved_by)


async def _go(seat: Seat, follower: Follower, *, target: str | None, approved_by: str) -> Incident:
    """Work and ask in turns, until nobody is left to be asked."""
    incident = await follower.until_quiet()
    while True:
        before = incident
        if incident.phase is Phase.AWAITING_APPROVAL:
            incident = await ask_for_approval(seat, incident, approved_by=approved_by)
            if incident.phase is Phase.AWAITING_APPROVAL and incident.plan == before.plan:
                return incident
        elif incident.phase is Phase.RECOVERED:
            incident = await ask_for_conclusion(seat, incident)
        elif incident.phase in _NEEDS_A_PERSON:
            seat.say(f"{incident.id}: {headline(incident)}", style="bold")
            incident = await ask_what_next(seat, incident, target=target)
        if incident.seq == before.seq:
            return incident
        incident = await follower.until_quiet()
