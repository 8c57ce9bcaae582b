"""The deploy freeze in words: on the card, in the last post, and as an answer."""

from __future__ import annotations

from bot.communication.blocks import Message, compose, context, listing, section
from bot.communication.markup import inline, people
from bot.communication.state import _names, freeze_text, frozen_services
from bot.core.values import Instant
from bot.incident.events import FreezeLifted, FreezeSet
from bot.incident.freeze import Freeze
from bot.incident.state import Incident


def frozen_post(event: FreezeSet, incident: Incident) -> Message:
    """Said once, when the freeze is set."""
    said = f"🧊 Deploys of {frozen_services(event)} are frozen after {incident.id}"
    told = freeze_text(event)
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
