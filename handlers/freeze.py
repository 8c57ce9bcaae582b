"""``/rollback unfreeze SERVICE``."""

from __future__ import annotations

from bot.errors import RefusedError
from bot.pipeline.unfreeze import lift
from bot.views import ids
from bot.views.freeze import unfrozen_reply
from bot.views.message import Message
from handlers.desk import Body, Desk, actor_of, command_id_of


async def unfreeze(desk: Desk, body: Body, words: list[str]) -> Message:
    """Lift a service's deploy freeze, by somebody of the incident's team or an approver."""
    if len(words) != 1:
        raise RefusedError(
            "It is not clear which service is meant.", f"Type `{ids.COMMAND} unfreeze SERVICE`."
        )
    lifted = await lift(
        desk.context,
        words[0],
        actor=actor_of(body),
        request_id=command_id_of(body),
    )
    return unfrozen_reply(lifted)
