"""The form in which a person rewrites a message to customers.

``EDIT_EXTERNAL``: ``TEXT``. ``private_metadata`` is the incident's id, a space, the draft's number.
"""

from __future__ import annotations

from typing import Any

from slack_sdk.models.blocks import InputBlock, PlainTextInputElement, PlainTextObject

from bot.domain.incident import Incident, OutsideMessage
from bot.views import forms, ids
from bot.views.external import EDITABLE
from bot.views.kit import section
from bot.views.markup import clean


def edit_external_form(incident: Incident, draft: OutsideMessage) -> dict[str, Any]:
    """The draft's words, ready to be changed and sent."""
    words = InputBlock(
        block_id=ids.TEXT,
        label=PlainTextObject(text="What customers read"),
        element=PlainTextInputElement(
            action_id=ids.TEXT,
            initial_value=clean(draft.text)[:EDITABLE] or None,
            multiline=True,
            max_length=EDITABLE,
        ),
        hint=PlainTextObject(text="Plain words: no release names, no internals, nobody's name."),
    )
    asked = section(f"Your words replace the text of “{draft.message.value}” and are sent at once.")
    return forms.modal(
        "Message to customers",
        [asked, words],
        callback_id=ids.EDIT_EXTERNAL,
        submit="Send",
        close="Cancel",
        private_metadata=f"{incident.id} {draft.number}",
    )
