"""What a channel reads of the deploy freeze."""

from __future__ import annotations

from bot.communication.messages import MessageTable, Outgoing
from bot.freeze.cards import frozen_post, lifted_post
from bot.incident import events as e


def _frozen(event: e.FreezeSet, to: Outgoing) -> None:
    if event.freezes:
        to.post("frozen", lambda: frozen_post(event, to.incident))


def _lifted(event: e.FreezeLifted, to: Outgoing) -> None:
    services = to.incident.plan.services if to.incident.plan else ()
    to.post("unfrozen", lambda: lifted_post(event, to.incident, services=services))


MESSAGES: MessageTable = {e.FreezeSet: _frozen, e.FreezeLifted: _lifted}
