"""The few inputs that all modals are made of; an input's block and action share one id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slack_sdk.models.blocks import (
    Block,
    CheckboxesElement,
    InputBlock,
    InputInteractiveElement,
    NumberInputElement,
    Option,
    PlainTextInputElement,
    PlainTextObject,
    StaticMultiSelectElement,
    StaticSelectElement,
)
from slack_sdk.models.views import View

from bot.communication.markup import clean, clip, plain

LONG = 1_500
"""Characters that a person may type into a long text."""
SHORT = 200
MOST_TICKS = 10
"""More options than these a group of checkboxes cannot have."""


def modal(
    title: str,
    blocks: Sequence[Block],
    *,
    callback_id: str | None = None,
    submit: str | None = None,
    close: str = "Close",
    private_metadata: str | None = None,
) -> dict[str, Any]:
    """A modal; ``title``, ``submit`` and ``close`` have at most 24 characters."""
    view = View(
        type="modal",
        title=PlainTextObject(text=title),
        submit=PlainTextObject(text=submit) if submit else None,
        close=PlainTextObject(text=close),
        callback_id=callback_id,
        private_metadata=private_metadata,
        blocks=list(blocks),
    )
    drawn: dict[str, Any] = view.to_dict()
    return drawn


def text_input(
    input_id: str,
    label: str,
    *,
    initial: str = "",
    hint: str = "",
    placeholder: str = "",
    optional: bool = False,
    multiline: bool = False,
) -> Block:
    """A line of up to 200, or a text of up to 1,500 characters."""
    most = LONG if multiline else SHORT
    element = PlainTextInputElement(
        action_id=input_id,
        initial_value=clip(clean(initial), most) or None,
        multiline=multiline,
        max_length=most,
        placeholder=_plain(placeholder, 150),
    )
    return _input(input_id, label, element, hint=hint, optional=optional)


def number_input(
    input_id: str,
    label: str,
    *,
    initial: float | None = None,
    most: int | None = None,
    hint: str = "",
) -> Block:
    """An optional number that is not negative."""
    element = NumberInputElement(
        action_id=input_id,
        is_decimal_allowed=True,
        initial_value=None if initial is None else f"{initial:.2f}",
        min_value="0",
        max_value=None if most is None else str(most),
    )
    return _input(input_id, label, element, hint=hint, optional=True)


def choice(
    input_id: str,
    label: str,
    options: Sequence[Option],
    *,
    initial: Option | None = None,
    hint: str = "",
    placeholder: str = "",
    optional: bool = False,
) -> Block:
    """One of up to 100 options."""
    element = StaticSelectElement(
        action_id=input_id,
        options=list(options),
        initial_option=initial,
        placeholder=_plain(placeholder, 150),
    )
    return _input(input_id, label, element, hint=hint, optional=optional)


def checkboxes(
    input_id: str, label: str, options: Sequence[Option], *, ticked: Sequence[Option] = ()
) -> Block:
    """Any number of up to ten options, none to begin with."""
    element = CheckboxesElement(
        action_id=input_id, options=list(options), initial_options=list(ticked) or None
    )
    return _input(input_id, label, element, hint="", optional=True)


def multi_select(
    input_id: str, label: str, options: Sequence[Option], *, ticked: Sequence[Option] = ()
) -> Block:
    """Any number of up to 100 options: to tick while that is possible, else from a list."""
    if len(options) <= MOST_TICKS:
        return checkboxes(input_id, label, options, ticked=ticked)
    element = StaticMultiSelectElement(
        action_id=input_id,
        options=list(options),
        initial_options=list(ticked) or None,
        placeholder=_plain("Choose", 150),
    )
    return _input(input_id, label, element, hint="", optional=True)


def option(text: str, value: str, description: str = "") -> Option:
    """An option; the value may have up to 150 characters."""
    return Option(
        text=PlainTextObject(text=plain(text, 75)),
        value=value,
        description=_plain(description, 75),
    )


def _plain(text: str, limit: int) -> PlainTextObject | None:
    return PlainTextObject(text=plain(text, limit)) if text else None


def _input(
    input_id: str, label: str, element: InputInteractiveElement, *, hint: str, optional: bool
) -> Block:
    return InputBlock(
        block_id=input_id,
        label=PlainTextObject(text=label),
        element=element,
        hint=_plain(hint, 300),
        optional=optional,
    )
