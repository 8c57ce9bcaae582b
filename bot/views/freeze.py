"""The deploy freeze in words: on the card, in the last post, and as an answer."""

from __future__ import annotations

from slack_sdk.models.blocks import Block

from bot.domain.events import FreezeLifted, FreezeSet
from bot.domain.freeze import Freeze
from bot.domain.incident import Incident
from bot.domain.values import Instant
from bot.views import ids
from bot.views.kit import compose, context, listing, section
from bot.views.markup import code, day, inline, people
from bot.views.message import Message

_MOST_NAMES = 8
"""Services of one rollback that are named; more are counted."""
_MOST_MARKS = 6
_MOST_PROBLEMS = 5


def freeze_blocks(incident: Incident) -> list[Block]:
    """For a card or post of the incident; nothing while deploys are free."""
    freeze = incident.freeze
    return listing("🧊 Deploys are frozen", _told(freeze)) if freeze and freeze.freezes else []


def frozen_post(event: FreezeSet, incident: Incident) -> Message:
    """Said once, when the freeze is set."""
    said = f"🧊 Deploys of {_services(event)} are frozen after {incident.id}"
    told = _told(event)
    return compose(f"{said}. {told[-1].removeprefix('• ')}", listing(said, told))


def lifted_post(event: FreezeLifted, incident: Incident, *, services: tuple[str, ...]) -> Message:
    """Said once, when deploys may go on."""
    who = f"{people((event.by,))} lifted the freeze" if event.by else "The freeze has ended"
    why = f" ({inline(event.why, 200)})" if event.why else ""
    said = f"Deploys of {_names(services or (incident.declared.service,))} may go on"
    told = (
        f"{who}{why}. Start what waited again; the withdrawn release stays marked as bad in the "
        "bot, so give its fix a name of its own."
    )
    return compose(f"▶️ {said}. {told}", [section(f"*▶️ {said}*\n{told}")])


def unfrozen_reply(freeze: Freeze) -> Message:
    """To whoever lifted it."""
    said = (
        f"Deploys of {inline(freeze.service, 80)} may go on: the freeze of {freeze.incident_id} "
        f"for {inline(freeze.release, 80)} is lifted."
    )
    small = "Marks on the live system go with it; what cannot be reached now is tried again."
    to_do = "Start the deployment again that waited for it."
    return compose(f"{said} {to_do}", [section(f"{said} {to_do}"), context(small)])


def frozen_sentence(freeze: Freeze, *, command: str) -> str:
    """For a terminal and for CI, plain text."""
    return (
        f"Deploys of {freeze.service} are frozen until {freeze.until:%Y-%m-%d %H:%M} UTC: "
        f"{freeze.incident_id} withdrew {freeze.release}. To lift it: {command}"
    )


def is_over(freeze: Freeze, now: Instant) -> bool:
    """Whether its time has ended, also where nobody has lifted it yet."""
    return now >= freeze.until


def _told(event: FreezeSet) -> list[str]:
    first = event.freezes[0]
    # The mark's places are for whoever wonders why a pipeline stands still.
    marks = ", ".join(inline(mark, 120) for mark in event.marks[:_MOST_MARKS])
    unnamed = len(event.marks) - _MOST_MARKS
    more = f" and {unnamed} more" if unnamed > 0 else ""
    where = (
        f"• Marked on {marks}{more}"
        if event.marks
        else "• The mark stands in the bot alone: ask it with "
        f"{code(f'rollback-bot frozen {first.service}')}"
    )
    unsaid = len(event.problems) - _MOST_PROBLEMS
    why = f"because {inline(first.release, 80)} was withdrawn"
    return [
        f"• {_services(event)} until {day(first.until)}, {why}",
        where,
        *(f"• ⚠️ Not marked: {inline(one, 250)}" for one in event.problems[:_MOST_PROBLEMS]),
        *([f"• ⚠️ … and {unsaid} more are not marked"] if unsaid > 0 else []),
        f"• Lift it with {code(f'{ids.COMMAND} unfreeze {first.service}')}",
    ]


def _services(event: FreezeSet) -> str:
    return _names(tuple(freeze.service for freeze in event.freezes))


def _names(services: tuple[str, ...]) -> str:
    more = len(services) - _MOST_NAMES
    names = [inline(service, 80) for service in services[:_MOST_NAMES]]
    return ", ".join([*names, *([f"and {more} more"] if more > 0 else [])])
