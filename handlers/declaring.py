"""The decision record: it declares, and then shows where the incident goes on."""

from __future__ import annotations

from typing import Any

import structlog

from bot.domain.incident import Incident
from bot.pipeline import declare
from bot.views import ids, modals
from handlers import forms
from handlers.desk import Body, Desk, actor_of, submission_id_of

log = structlog.get_logger()

DECLARED = "Incident declared"
ANSWER_SHOWN_SECONDS = 0.5
"""Until Slack shows the answer to a submission: what overtakes it is covered by it again."""
CHANNEL_SECONDS = 30.0
"""How long a declaration's modal waits for the channel to name it."""


async def declare_incident(desk: Desk, body: Body, view: dict[str, Any]) -> dict[str, Any]:
    """Declare, and answer at once: the channel's name comes as soon as there is one."""
    incident = await declare.declare(
        desk.context,
        draft_id=view["private_metadata"],
        decision=forms.decision(view),
        actor=actor_of(body),
        target_release=forms.field(view, ids.TARGET) or None,
        request_id=submission_id_of(view),
    )
    desk.later(_name_channel(desk, incident, view["id"]), subject=f"name {incident.id}")
    text = f"*{incident.id}* is declared. Its channel is being opened…"
    return {"response_action": "update", "view": modals.message_view(DECLARED, text)}


async def _name_channel(desk: Desk, incident: Incident, view_id: str) -> None:
    """Show the person where it goes on, in the modal that is still open."""
    await desk.context.clock.sleep(ANSWER_SHOWN_SECONDS)
    present = await desk.context.journal.load(incident.id)
    try:
        opened = await desk.changes.wait(
            present, lambda now: now.channel is not None, seconds=CHANNEL_SECONDS
        )
    except TimeoutError:
        text = f"*{incident.id}* is declared. Slack is slow to open its channel; it will come."
    else:
        text = _where(opened)
    await desk.show(view_id, modals.message_view(DECLARED, text))


def _where(incident: Incident) -> str:
    channel = incident.channel
    if channel is None:
        return f"*{incident.id}* is declared."
    note = f"\n\n{channel.note}" if channel.note else ""
    return (
        f"*{incident.id}* is declared. It goes on in <#{channel.channel_id}>: a plan appears "
        f"there, and somebody else has to approve it.{note}"
    )
