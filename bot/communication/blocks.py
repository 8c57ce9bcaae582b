"""The few blocks that all views are made of, within Slack's limits by construction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from slack_sdk.models import JsonObject
from slack_sdk.models.basic_objects import EMPTY_ALLOWED_TYPE_AND_PROPERTY_LIST
from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ConfirmObject,
    ContextBlock,
    DividerBlock,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

from bot.communication.markup import REPORT, fitted, pages, plain
from bot.core.values import Value

# Blocks as JSON, checked by the library's own validators, in a tenth of the library's time.
#
# ``to_dict`` of slack_sdk looks through all attributes of each object for validators, each time.
# A
# card has a hundred objects and is drawn at every event, so that took longer than everything else
# that the bot does. Which methods of a class are validators never changes, so it is looked up
# once.

_MAY_BE_EMPTY = frozenset(
    (each["type"], each["property"]) for each in EMPTY_ALLOWED_TYPE_AND_PROPERTY_LIST
)


def as_json(element: JsonObject) -> dict[str, Any]:
    """What ``element.to_dict()`` gives.

    Raises SlackObjectFormationError when Slack would refuse the element.
    """
    kind = type(element)
    if not _is_usual(kind):
        return element.to_dict()
    for validator in _validators(kind):
        getattr(element, validator)()
    type_name = getattr(element, "type", None)
    found = {}
    for key in sorted(element.attributes):
        value = getattr(element, key, None)
        if value is None:
            continue
        empty = hasattr(value, "__len__") and len(value) == 0
        if not empty or (type_name, key) in _MAY_BE_EMPTY:
            found[key] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, JsonObject):
        return as_json(value)
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


@cache
def _is_usual(kind: type[JsonObject]) -> bool:
    """Whether a class is drawn as all are; some have ways of their own."""
    return (
        kind.to_dict is JsonObject.to_dict
        and kind.get_non_null_attributes is JsonObject.get_non_null_attributes
        and kind.validate_json is JsonObject.validate_json
    )


@cache
def _validators(kind: type[JsonObject]) -> tuple[str, ...]:
    """The names of the methods that the library marks as validators."""
    return tuple(name for name in dir(kind) if hasattr(getattr(kind, name, None), "validator"))


# A finished message, as the chat platform takes it.


class Message(Value):
    """Blocks, and the text that screen readers and notifications use in their place."""

    text: str
    blocks: tuple[dict[str, Any], ...]

    def payload(self) -> dict[str, Any]:
        """The arguments ``text`` and ``blocks`` of ``chat.postMessage``."""
        return {"text": self.text, "blocks": list(self.blocks)}


MOST_BLOCKS = 50
MOST_CHARACTERS = 13_000
"""Slack refuses a little more than 13,200 characters over all blocks of a message."""
MOST_TEXT = 4_000
"""Slack advises no more for the text beside the blocks."""
SECTION = 2_900
"""Below Slack's 3,000, so that a text and what frames it fit."""
FACT = 1_900
"""Below Slack's 2,000 for one of several columns."""


def header(text: str) -> Block:
    """A headline: plain text of up to 150 characters."""
    return HeaderBlock(text=PlainTextObject(text=plain(text, 150), emoji=True))


def section(text: str) -> Block:
    """A paragraph of finished mrkdwn of up to 3,000 characters.

    A longer one is a mistake of whoever wrote it, but drawing happens with every event: it is cut
    and says so, because nothing that is shown may stop a rollback.
    """
    return SectionBlock(text=MarkdownTextObject(text=fitted(text, 3_000)))


def listing(
    title: str,
    items: Sequence[str],
    *,
    limit: int = SECTION,
    most: int = 1,
    more: str = REPORT,
) -> list[Block]:
    """A titled list over at most ``most`` sections of ``limit`` characters; empty without items."""
    if not items:
        return []
    told = pages([f"*{title}*", *items], limit, most=most, more=more)
    return [section(page) for page in told if page]


def facts(pairs: Iterable[tuple[str, str]]) -> list[Block]:
    """Short facts in two columns: title and finished mrkdwn."""
    told = (fitted(f"*{title}*\n{value}", 2_000) for title, value in pairs)
    fields = [MarkdownTextObject(text=text) for text in told]
    return [SectionBlock(fields=fields[start : start + 10]) for start in range(0, len(fields), 10)]


def context(*texts: str) -> Block:
    """Small print: up to ten finished texts."""
    return ContextBlock(elements=[MarkdownTextObject(text=text) for text in texts])


def divider() -> Block:
    """A line."""
    return DividerBlock()


def actions(buttons: Sequence[ButtonElement]) -> list[Block]:
    """A row of buttons; nothing without buttons."""
    return [ActionsBlock(elements=list(buttons))] if buttons else []


def button(
    label: str,
    action_id: str,
    value: str,
    *,
    style: str | None = None,
    confirm: ConfirmObject | None = None,
) -> ButtonElement:
    """A button that sends ``value``; ``style`` is ``primary`` or ``danger``."""
    return ButtonElement(
        text=PlainTextObject(text=plain(label, 75), emoji=True),
        action_id=action_id,
        value=value,
        style=style,
        confirm=confirm,
    )


def confirmation(title: str, text: str, *, yes: str, style: str | None = None) -> ConfirmObject:
    """The question asked before a button acts; all of it plain text."""
    return ConfirmObject(
        title=PlainTextObject(text=plain(title, 100)),
        text=PlainTextObject(text=plain(text, 300)),
        confirm=PlainTextObject(text=plain(yes, 30)),
        deny=PlainTextObject(text="Cancel"),
        style=style,
    )


def compose(text: str, blocks: Sequence[Block]) -> Message:
    """A message; should it be too big in spite of all budgets, it says what was left out.

    Buttons are kept before anything else: without them the journey would stop.
    """
    drawn: list[dict[str, Any]] = [as_json(block) for block in blocks]
    left_out = 0
    while len(drawn) > MOST_BLOCKS - bool(left_out) or characters(drawn) > MOST_CHARACTERS:
        place = max(i for i, block in enumerate(drawn) if block["type"] != "actions")
        del drawn[place]
        left_out += 1
    if left_out:
        drawn.append(context(f"{left_out} more parts did not fit here — see the report.").to_dict())
    return Message(text=fitted(text, MOST_TEXT), blocks=tuple(drawn))


def characters(value: Any) -> int:
    """All characters of all texts in these blocks."""
    if isinstance(value, dict):
        own = value.get("text")
        inner = sum(characters(v) for k, v in value.items() if not isinstance(v, str))
        return inner + (len(own) if isinstance(own, str) else 0)
    return sum(map(characters, value)) if isinstance(value, (list, tuple)) else 0
