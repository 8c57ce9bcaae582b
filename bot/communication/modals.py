"""Forms of a declared incident: reject, words, another plan; and a plain message.

Inputs that handlers read (block_id and action_id are the same id):

- ``REJECT``: ``REASON``. ``private_metadata`` is the incident's id, a space, the plan's hash.
- ``CONFIRM``: ``TEXT``. ``private_metadata`` as for ``REJECT``.
- ``WORDS``: ``TEXT``. ``private_metadata`` is the incident's id, as in all that follow.
- ``REPLAN``: ``TARGET`` (optional select, only when there are candidates; the value is the
  release) and ``TEXT`` (optional; what is typed here wins). Neither: the plan chooses.
  ``PARTS`` (checkboxes or a list, only for a composed rollback): the parts that are wanted, none
  for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slack_sdk.models.blocks import Block, Option

from bot.communication import forms, ids
from bot.communication.blocks import context, section
from bot.communication.figures import judgement_lines
from bot.communication.markup import escape, inline, lines, paragraph, plain
from bot.communication.state import headline
from bot.incident.duties import is_proven
from bot.incident.events import FollowUp
from bot.incident.plan import Plan
from bot.incident.state import Incident


def reject_form(incident_id: str, plan_hash: str) -> dict[str, Any]:
    """Why a plan is not to run."""
    blocks = [
        section("The plan is taken off the table; nothing is changed. Another can be made."),
        forms.text_input(
            ids.REASON,
            "What should be different?",
            placeholder="The team reads this and plans again",
            multiline=True,
        ),
    ]
    return forms.modal(
        "Reject the plan",
        blocks,
        callback_id=ids.REJECT,
        submit="Reject",
        close="Cancel",
        private_metadata=f"{incident_id} {plan_hash}",
    )


def confirm_form(incident_id: str, plan: Plan) -> dict[str, Any]:
    """The last question before a plan that loses data: its name must be typed."""
    blocks = [
        section(
            f"⚠️ *Data lost:* {inline(plan.data_loss, 900)}\n*Downtime:* "
            f"{inline(plan.downtime, 300)}\n*Approvals needed:* {plan.approvers}"
        ),
        forms.text_input(
            ids.TEXT,
            "Type the name to approve",
            hint=f"Exactly: {plan.typed_confirmation}",
        ),
    ]
    return forms.modal(
        "Approve data loss",
        blocks,
        callback_id=ids.CONFIRM,
        submit="Approve",
        close="Cancel",
        private_metadata=f"{incident_id} {plan.hash}",
    )


def words_form(incident_id: str) -> dict[str, Any]:
    """A person's words for the next update."""
    blocks = [
        section("Your words stand in the next update, with your name, in every channel."),
        forms.text_input(
            ids.TEXT, "Your words", placeholder="What should everybody know?", multiline=True
        ),
    ]
    return forms.modal(
        "Add words",
        blocks,
        callback_id=ids.WORDS,
        submit="Add",
        close="Cancel",
        private_metadata=incident_id,
    )


def replan_form(incident: Incident, *, parts: Sequence[str] = ()) -> dict[str, Any]:
    """A new plan, perhaps to another release, perhaps of some parts of a composed rollback."""
    candidates = _candidates(incident)
    blocks: list[Block] = [
        section(
            "The bot looks at the live system again and makes a new plan. Nothing is changed "
            "before it is approved."
        )
    ]
    if candidates:
        blocks.append(
            forms.choice(
                ids.TARGET,
                "Roll back to",
                candidates,
                hint="Choose none and the plan goes to the last known good release.",
                placeholder="The plan chooses",
                optional=True,
            )
        )
    blocks.append(
        forms.text_input(
            ids.TEXT,
            "Or type a release",
            placeholder="v1.9.3",
            hint="What is typed here wins.",
            optional=True,
        )
    )
    if parts:
        offered = [forms.option(part, part) for part in parts]
        ticked = [one for one in offered if one.value in (incident.parts or parts)]
        label = "Only these parts (none means all)"
        blocks.append(forms.multi_select(ids.PARTS, label, offered, ticked=ticked))
    return forms.modal(
        "Plan again",
        blocks,
        callback_id=ids.REPLAN,
        submit="Plan again",
        close="Cancel",
        private_metadata=incident.id,
    )


def message_view(title: str, text: str) -> dict[str, Any]:
    """A message in place of a form; its text may use bold and links to channels."""
    return forms.modal(plain(title, 24, empty="Rollback"), [section(paragraph(text))])


def _candidates(incident: Incident) -> list[Option]:
    """What the plan could go back to, each once; releases that were marked bad are left out."""
    found = incident.plan.candidates if incident.plan else ()
    usable = {c.release: c for c in found if not c.marked_bad and 1 <= len(c.release) <= 150}
    return [
        forms.option(
            candidate.release,
            candidate.release,
            f"{'known good, ' if candidate.known_good else ''}{candidate.detail or 'available'}",
        )
        for candidate in list(usable.values())[:100]
    ]


# The end of an incident: what people learned.
#
# ``RESOLVE``: ``ROOT_CAUSE``, ``FOLLOW_UP`` (select; the value is that of ``FollowUp``), and,
# optional: ``ACTIONS`` (as ``bot.paperwork.model`` reads them), ``WENT_WELL``,
# ``TO_IMPROVE``, ``TIMELINE``, ``IMPACT``. ``private_metadata`` is the incident's id.

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
