"""A corrective action whose issue is not there any more: said once, with what follows."""

from __future__ import annotations

from bot.domain.corrective_actions import identity
from bot.domain.events import IssueGone
from bot.domain.incident import Incident
from bot.views import ids, labels
from bot.views.follow_up import linked
from bot.views.kit import actions, button, compose, context, section
from bot.views.markup import inline
from bot.views.message import Message


def issue_gone(incident: Incident, event: IssueGone) -> Message:
    """What became of the issue, and what the bot does from now on."""
    if incident.conclusion is None:
        raise ValueError(f"{incident.id} is not concluded")
    action = incident.conclusion.corrective_actions[event.index]
    if event.deleted:
        what = "Somebody deleted the issue of a corrective action"
        then = (
            "The bot takes the action for dropped and does not ask again. If it is still to be "
            "done, make an issue for it by hand."
        )
    else:
        what = "The issue of a corrective action is not to be seen any more"
        then = (
            "It was moved or deleted, or the bot's token has lost the right to see it. The bot "
            "does not look at it again; here it asks on how the action stands."
        )
    value = f"{incident.id} {event.index} {identity(incident, action)}"
    blocks = [
        section(f"*{what}:* {linked(event.url, event.url)}\n> {inline(action.text, 600)}\n{then}"),
        *actions([button(labels.ACTION_DONE, ids.ACTION_DONE, value)]),
        context(f"{incident.id} · press “{labels.ACTION_DONE}” if it is done."),
    ]
    return compose(f"{what}: {inline(action.text, 300)}", blocks)
