"""The parts of a rich_text block, as docs.slack.dev/reference/block-kit/blocks/rich-text-block."""

from __future__ import annotations

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
    kind,
)

STYLE = Object(
    optional={
        name: Boolean()
        for name in (
            "bold",
            "italic",
            "strike",
            "code",
            "underline",
            "highlight",
            "client_highlight",
            "unlink",
        )
    }
)
STYLED = {"style": STYLE}

INLINE = Tagged(
    what="rich text element type",
    kinds={
        "text": kind("text", required={"text": String(min=1)}, optional=STYLED),
        "link": kind(
            "link",
            required={"url": String(min=1)},
            optional=STYLED | {"text": String(), "unsafe": Boolean()},
        ),
        "emoji": kind(
            "emoji",
            required={"name": String(min=1)},
            optional=STYLED | {"unicode": String(), "skin_tone": Integer()},
        ),
        "user": kind("user", required={"user_id": String()}, optional=STYLED),
        "usergroup": kind("usergroup", required={"usergroup_id": String()}, optional=STYLED),
        "channel": kind("channel", required={"channel_id": String()}, optional=STYLED),
        "broadcast": kind(
            "broadcast", required={"range": OneOf(("here", "channel", "everyone"))}, optional=STYLED
        ),
        "color": kind("color", required={"value": String()}, optional=STYLED),
        "date": kind(
            "date",
            required={"timestamp": Integer(), "format": String()},
            optional={"url": String(), "fallback": String(), "style": Anything()},
        ),
    },
)
RUN = List(of=INLINE, min=0)
BORDER = {"border": Integer(min=0, max=1)}

SECTION = kind("rich_text_section", required={"elements": RUN})
PARTS: dict[str, Check] = {
    "rich_text_section": SECTION,
    "rich_text_preformatted": kind(
        "rich_text_preformatted",
        required={"elements": RUN},
        optional=BORDER | {"language": String()},
    ),
    "rich_text_quote": kind("rich_text_quote", required={"elements": RUN}, optional=BORDER),
    "rich_text_list": kind(
        "rich_text_list",
        required={
            "style": OneOf(("bullet", "ordered")),
            "elements": List(of=SECTION, min=0),
        },
        optional=BORDER | {"indent": Integer(min=0, max=8), "offset": Integer(min=0)},
    ),
}
RICH_TEXT_PARTS = List(of=Tagged(kinds=PARTS, what="rich text part"), min=0)
