"""Blocks, one description each, and which of them each surface takes.

Bounds are those of docs.slack.dev/reference/block-kit/blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.slack.blockkit.elements import ELEMENTS, IN_ACTIONS, IN_INPUT, IN_SECTION
from sandbox.slack.blockkit.objects import ID, SLACK_FILE, URL, image_url, plain, text
from sandbox.slack.blockkit.rich_text import RICH_TEXT_PARTS
from sandbox.slack.blockkit.schema import (
    Anything,
    Boolean,
    Check,
    Integer,
    List,
    Object,
    OneOf,
    String,
    Tagged,
    any_of,
    exactly_one_of,
    kind,
)

HAS_ID: dict[str, Check] = {"block_id": ID}


def _elements(allowed: Iterable[str]) -> Tagged:
    return Tagged(kinds={name: ELEMENTS[name] for name in sorted(allowed)}, what="type for element")


def _text_or_image() -> Tagged:
    # Each text in a context block is held to the 3,000 characters of any text object.
    kinds: dict[str, Check] = {
        "image": ELEMENTS["image"],
        "plain_text": plain(3000),
        "mrkdwn": kind(
            "mrkdwn",
            required={"text": String(min=1, max=3000)},
            optional={"verbatim": Boolean()},
        ),
    }
    return Tagged(kinds=kinds, what="type for element")


def _dispatches_only_when_asked(value: Mapping[str, Any]) -> Iterable[str]:
    element = value.get("element")
    is_file = isinstance(element, dict) and element.get("type") == "file_input"
    if is_file and value.get("dispatch_action"):
        yield "`dispatch_action` is not supported for file_input"


CELL = Tagged(
    kinds={
        "raw_text": kind("raw_text", required={"text": String(min=1)}),
        "raw_number": kind(
            "raw_number", required={"value": Anything()}, optional={"text": String()}
        ),
        "rich_text": kind("rich_text", required={"elements": RICH_TEXT_PARTS}),
    },
    what="table cell type",
)

BLOCKS: dict[str, Check] = {
    "section": kind(
        "section",
        optional=HAS_ID
        | {
            "text": text(3000),
            "fields": List(of=text(2000), max=10),
            "accessory": _elements(IN_SECTION),
            "expand": Boolean(),
        },
        rules=(any_of("text", "fields"),),
    ),
    "header": kind(
        "header", required={"text": plain(150)}, optional=HAS_ID | {"level": Integer(min=1, max=4)}
    ),
    "divider": kind("divider", optional=HAS_ID),
    "context": kind(
        "context", required={"elements": List(of=_text_or_image(), max=10)}, optional=HAS_ID
    ),
    "actions": kind(
        "actions", required={"elements": List(of=_elements(IN_ACTIONS), max=25)}, optional=HAS_ID
    ),
    "context_actions": kind(
        "context_actions",
        required={"elements": List(of=_elements({"feedback_buttons", "icon_button"}), max=5)},
        optional=HAS_ID,
    ),
    "input": kind(
        "input",
        required={"label": plain(2000), "element": _elements(IN_INPUT)},
        optional=HAS_ID
        | {"hint": plain(2000), "optional": Boolean(), "dispatch_action": Boolean()},
        rules=(_dispatches_only_when_asked,),
    ),
    "image": kind(
        "image",
        required={"alt_text": String(min=1, max=2000)},
        optional=HAS_ID | {"image_url": image_url, "slack_file": SLACK_FILE, "title": plain(2000)},
        rules=(exactly_one_of("image_url", "slack_file"),),
    ),
    "rich_text": kind("rich_text", required={"elements": RICH_TEXT_PARTS}, optional=HAS_ID),
    "markdown": kind("markdown", required={"text": String(min=1, max=12_000)}, optional=HAS_ID),
    "table": kind(
        "table",
        required={"rows": List(of=List(of=CELL, max=20), max=100)},
        optional=HAS_ID
        | {
            "column_settings": List(
                of=Object(
                    optional={
                        "align": OneOf(("left", "center", "right")),
                        "is_wrapped": Boolean(),
                    }
                ),
                max=20,
            )
        },
    ),
    "video": kind(
        "video",
        required={
            "alt_text": String(min=1),
            "title": plain(199),
            "thumbnail_url": URL,
            "video_url": URL,
        },
        optional=HAS_ID
        | {
            "author_name": String(max=49),
            "description": plain(200),
            "provider_icon_url": URL,
            "provider_name": String(),
            "title_url": URL,
        },
    ),
}

# A `file` block appears when Slack shows a remote file; an app cannot send one.
EVERYWHERE = frozenset(
    {"section", "header", "divider", "context", "actions", "input", "image", "rich_text", "video"}
)
SURFACES: Mapping[str, frozenset[str]] = {
    "message": EVERYWHERE | {"markdown", "table", "context_actions"},
    "modal": EVERYWHERE,
    "home": EVERYWHERE,
}


def blocks_of(surface: str, *, most: int) -> List:
    """The list of blocks that a surface takes, at most `most` of them."""
    kinds = {name: BLOCKS[name] for name in sorted(SURFACES[surface])}
    return List(of=Tagged(kinds=kinds), min=0, max=most)
