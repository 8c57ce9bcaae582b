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

from bot.domain.incident import Incident
from bot.domain.plan import Plan
from bot.views import forms, ids
from bot.views.kit import section
from bot.views.markup import inline, paragraph, plain


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
        blocks.append(forms.several(ids.PARTS, label, offered, ticked=ticked))
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
