"""The message that says again what a rollback left behind for people to take away."""

from __future__ import annotations

from bot.domain.plan import Step
from bot.domain.values import Instant
from bot.views.kit import compose, context, header, section
from bot.views.markup import code_block, escape, inline, moment, plain
from bot.views.message import Message


def left_behind(
    service: str, incident_id: str, step: Step, *, seen: str, since: Instant
) -> Message:
    """What still stands since when, and how it is taken away."""
    name = plain(service, 40)
    said = f"⏸️ {name}: what {plain(incident_id, 40)} has done for the time being still stands"
    what, by_hand = step.reminder, step.inverse.command if step.inverse else ""
    blocks = [
        header(said),
        section(f"{inline(seen, 500)} {inline(what, 500)}"),
        *([section(code_block(by_hand, 2_500))] if by_hand else []),
        context(f"So since {moment(since)}. This is said once a day until it is taken away."),
    ]
    return compose(f"{escape(said)}. {inline(seen, 300)} {inline(what, 300)}", blocks)
