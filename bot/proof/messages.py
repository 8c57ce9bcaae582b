"""What people read when a service got worse again after its recovery."""

from __future__ import annotations

from bot.communication.messages import MessageTable, Outgoing
from bot.incident import events as e
from bot.proof.relapse import relapse_post


def _relapsed(event: e.Relapsed, to: Outgoing) -> None:
    incident, frame = to.incident, to.frame
    to.post("relapsed", lambda: relapse_post(incident, frame, event, here=True))
    to.stakeholders("relapsed", lambda: relapse_post(incident, frame, event, here=False))


MESSAGES: MessageTable = {e.Relapsed: _relapsed}
