"""Composition objects: text, options, confirmation dialogs.

Bounds are those of docs.slack.dev/reference/block-kit/composition-objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.slack.blockkit.schema import (
    Boolean,
    Check,
    Integer,
    List,
    Matching,
    Object,
    OneOf,
    Problem,
    Problems,
    Rule,
    String,
    Tagged,
    kind,
)

ID = String(max=255)
URL = String(max=3000, pattern=r"[a-zA-Z][a-zA-Z0-9+.-]*:.+", means="must be a valid URL")


# Slack fetches images itself, so an address of the app's own network fails.
PRIVATE_HOST = re.compile(
    r"https?://(localhost|127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|\[|"
    r"[^/:.]+([:/]|$)|[^/:]+\.(local|internal|svc)([.:/]|$))"
)


def image_url(value: Any, at: str) -> Problems:
    """A URL of at most 3,000 characters from which Slack can fetch an image."""
    yield from URL(value, at)
    if isinstance(value, str) and PRIVATE_HOST.match(value):
        yield Problem("downloading image failed", at)


def plain(limit: int) -> Check:
    """Plain text only, of at most `limit` characters."""
    return kind(
        "plain_text",
        required={"text": String(min=1, max=limit)},
        optional={"emoji": Boolean()},
    )


def text(limit: int) -> Check:
    """Plain or mrkdwn text of at most `limit` characters."""
    mrkdwn = kind(
        "mrkdwn",
        required={"text": String(min=1, max=limit)},
        optional={"verbatim": Boolean()},
    )
    return Matching(Tagged(kinds={"plain_text": plain(limit), "mrkdwn": mrkdwn}))


def option(label: Check, *, with_url: bool = False) -> Object:
    """An option of a menu: label 75, value 150, description 75 characters."""
    url = {"url": URL} if with_url else {}
    return Object(
        required={"text": label, "value": String(min=1, max=150)},
        optional={"description": label, **url},
    )


PLAIN_OPTION = option(plain(75))
TEXT_OPTION = option(text(75))
URL_OPTION = option(plain(75), with_url=True)
OPTION_GROUP = Object(required={"label": plain(75), "options": List(of=PLAIN_OPTION, max=100)})

CONFIRM = Object(
    required={"title": plain(100), "text": text(300), "confirm": plain(30), "deny": plain(30)},
    optional={"style": OneOf(("primary", "danger"))},
)
PLACEHOLDER = plain(150)
DISPATCH_CONFIG = Object(
    required={
        "trigger_actions_on": List(of=OneOf(("on_enter_pressed", "on_character_entered")), max=2)
    }
)
CONVERSATION_FILTER = Object(
    optional={
        "include": List(of=OneOf(("im", "mpim", "private", "public"))),
        "exclude_external_shared_channels": Boolean(),
        "exclude_bot_users": Boolean(),
    }
)
SLACK_FILE = Object(optional={"id": String(), "url": URL})
MAX_SELECTED = Integer(min=1)


def unique_values() -> Rule:
    """No two options of one element may have the same value."""

    def rule(value: Mapping[str, Any]) -> Iterable[str]:
        groups = [value, *(value.get("option_groups") or [])]
        held = [
            option.get("value")
            for group in groups
            if isinstance(group, dict)
            for option in group.get("options") or []
            if isinstance(option, dict)
        ]
        repeated = sorted({str(v) for v in held if held.count(v) > 1})
        yield from (f"option values must be unique: {v}" for v in repeated)

    return rule


def initial_among_options(*names: str) -> Rule:
    """What is chosen at first must be one of the options, word for word."""

    def rule(value: Mapping[str, Any]) -> Iterable[str]:
        groups = [value, *(value.get("option_groups") or [])]
        offered = [o for g in groups if isinstance(g, dict) for o in g.get("options") or []]
        for name in names:
            first = value.get(name)
            chosen = first if isinstance(first, list) else [first] if first is not None else []
            if any(one not in offered for one in chosen):
                yield f"`{name}` must be among the options"

    return rule
