"""The end of an incident: what people learned.

``RESOLVE``: ``ROOT_CAUSE``, ``FOLLOW_UP`` (select; the value is that of ``FollowUp``), and,
optional: ``ACTIONS`` (as ``bot.domain.corrective_actions`` reads them), ``WENT_WELL``,
``TO_IMPROVE``, ``TIMELINE``, ``IMPACT``. ``private_metadata`` is the incident's id.
"""

from __future__ import annotations

from typing import Any

from slack_sdk.models.blocks import Block

from bot.domain.events import FollowUp
from bot.domain.incident import Incident
from bot.views import forms, ids
from bot.views.kit import context, section
from bot.views.markup import escape, lines
from bot.views.measured import judgement_lines
from bot.views.state import headline, is_proven

_FOLLOW_UPS = {
    FollowUp.HOTFIX: ("Fix the bug and release again", "Hours to one day"),
    FollowUp.DEFER: ("Release again without the features in question", "Days"),
    FollowUp.REPLAN: ("Understand it first, then plan a new release", "Weeks"),
}


def resolve_form(incident: Incident) -> dict[str, Any]:
    """What people add at the end; says plainly when recovery is not proven."""
    blocks = [
        section(_standing(incident)),
        *_learned(),
        *_follows(),
        context(
            "Resolving ends the updates, makes the report and invites to the post-mortem. It "
            "cannot be undone."
        ),
    ]
    return forms.modal(
        "Resolve the incident",
        blocks,
        callback_id=ids.RESOLVE,
        submit="Resolve",
        close="Cancel",
        private_metadata=incident.id,
    )


def _learned() -> list[Block]:
    """Why it happened, and what is done about it."""
    return [
        forms.text_input(
            ids.ROOT_CAUSE,
            "Root cause",
            placeholder="What in the release or the process made it possible? Not who.",
            multiline=True,
        ),
        forms.text_input(
            ids.ACTIONS,
            "Corrective actions",
            placeholder="Add a test for two currencies @anna 2026-12-01",
            hint=(
                "One a line; who and by when at its end: @name and year-month-day. Both may be "
                "missing. The bot asks after each until it is done."
            ),
            optional=True,
            multiline=True,
        ),
        forms.text_input(ids.WENT_WELL, "What went well", optional=True, multiline=True),
        forms.text_input(ids.TO_IMPROVE, "What to improve", optional=True, multiline=True),
    ]


def _follows() -> list[Block]:
    """What becomes of the release, and what users had to bear."""
    options = [
        forms.option(choice.value, choice.value, f"{what}: {how_long.lower()}")
        for choice, (what, how_long) in _FOLLOW_UPS.items()
    ]
    return [
        forms.choice(
            ids.FOLLOW_UP, "What follows for the release", options, placeholder="Choose one"
        ),
        forms.text_input(
            ids.TIMELINE,
            "By when",
            placeholder="Hotfix: hours to a day. Defer: days. Re-plan: weeks.",
            optional=True,
        ),
        forms.text_input(
            ids.IMPACT,
            "Impact on users",
            placeholder="Who noticed what, for how long",
            optional=True,
            multiline=True,
        ),
    ]


def _standing(incident: Incident) -> str:
    said = f"*{escape(headline(incident))}*"
    if is_proven(incident):
        return f"{said}\nThe judge found the service recovered."
    if incident.judged is None:
        return f"{said}\n⚠️ *Recovery is not proven.* No rollback was verified in this incident."
    told = lines(judgement_lines(incident.judged.judgement), 1_800)
    return (
        f"{said}\n⚠️ *Recovery is not proven.* Resolve only if you know from elsewhere that users "
        f"are well.\n{told}"
    )
