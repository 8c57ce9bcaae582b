"""The last lines of a conversation: where the incident stands, and how to go on."""

from __future__ import annotations

from bot.domain.duties import owed
from bot.domain.incident import Incident, Phase
from bot.terminal.seat import Seat
from bot.views.state import headline


def say_goodbye(seat: Seat, incident: Incident) -> None:
    """Say what is so, and every command that helps from here."""
    seat.say(f"\n{incident.id}: {headline(incident)}", style="bold")
    if incident.phase is not Phase.RESOLVED:
        seat.say(f"Go on:      rollback-bot resume {incident.id}")
    if owed(incident) is not None:
        seat.say("Work is still owed: resume does it, or a bot that serves with the same store.")
    seat.say(f"The report: rollback-bot report {incident.id}")
