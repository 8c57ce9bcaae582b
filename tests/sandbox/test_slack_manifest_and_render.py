"""Manifests that Slack would not take, and what a terminal shows of messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.slack.base.manifest import InvalidManifest, validate_manifest
from sandbox.slack.base.model import Message, render
from sandbox.slack.server import SlackServer
from tests.sandbox.slack_support import Json, actions, asks, button, manifest, mrkdwn, plain


def test_a_good_manifest_has_no_problems() -> None:
    assert validate_manifest(manifest()) == []


def without_bot_user(m: Json) -> None:
    del m["features"]["bot_user"]


def with_scope(name: str) -> Callable[[Json], None]:
    return lambda m: m["oauth_config"]["scopes"]["bot"].append(name)


def with_event(name: str) -> Callable[[Json], None]:
    return lambda m: m["settings"]["event_subscriptions"]["bot_events"].append(name)


def without_scope(name: str) -> Callable[[Json], None]:
    return lambda m: m["oauth_config"]["scopes"]["bot"].remove(name)


def over_http(m: Json) -> None:
    m["settings"]["socket_mode_enabled"] = False


def command(**fields: Any) -> Callable[[Json], None]:
    return lambda m: m["features"]["slash_commands"][0].update(fields)


def twice(m: Json) -> None:
    m["features"]["slash_commands"] *= 2


def not_interactive(m: Json) -> None:
    m["settings"]["interactivity"]["is_enabled"] = False


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_bot_user, "bot_user: is required"),
        (with_scope("channels:admin"), "channels:admin is not a bot scope"),
        (with_scope("chat:write"), "chat:write is listed twice"),
        (without_scope("users:read"), "users:read.email needs users:read"),
        (without_scope("commands"), "slash commands need the scope commands"),
        (with_event("message.everything"), "message.everything is not a bot event"),
        (with_event("reaction_added"), "reaction_added needs the scope reactions:read"),
        (over_http, "/rollback needs a url without Socket Mode"),
        (over_http, "settings/interactivity: needs a request_url"),
        (command(command="rollback"), "does not match"),
        (command(command="/Roll Back"), "must be lower case"),
        (command(color="red"), "Additional properties are not allowed"),
        (twice, "/rollback is listed twice"),
        (not_interactive, "shortcuts need interactivity"),
        (lambda m: m["display_information"].update(name="x" * 36), "too long"),
        (lambda m: m["display_information"].pop("name"), "required property"),
    ],
)
def test_a_manifest_that_slack_would_refuse_is_refused(
    change: Callable[[Json], Any], words: str
) -> None:
    held = manifest()
    change(held)
    assert any(words in problem for problem in validate_manifest(held)), validate_manifest(held)
    with pytest.raises(InvalidManifest):
        SlackServer(manifest=held)


def message(text: str = "", *blocks: Json, **more: Any) -> Message:
    return Message(ts="1.000001", channel="C1", user="U1", text=text, blocks=blocks, **more)


NAMES = {"U1": "ana", "C1": "general", "S1": "on-call"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hello <@U1> in <#C1>", "hello @ana in #general"),
        ("<!channel> and <!here>", "🔔@channel and 🔔@here"),
        ("<!subteam^S1> look", "🔔@on-call look"),
        ("&lt;!channel&gt; is only text", "<!channel> is only text"),
        ("<https://e.example/a|runbook>", "runbook (https://e.example/a)"),
        ("<!date^1800000000^{time}|14:00>", "14:00"),
        ("a &amp; b", "a & b"),
    ],
)
def test_markup_is_written_out_and_pings_are_marked(text: str, shown: str) -> None:
    assert render(message(text), names=NAMES) == shown


def test_blocks_are_readable_in_a_terminal() -> None:
    card = message(
        "fallback",
        {"type": "header", "text": plain("INC-1")},
        {"type": "section", "text": mrkdwn("*checkout*"), "accessory": button("m", "More")},
        {"type": "section", "fields": [mrkdwn("Errors"), mrkdwn("7 %"), mrkdwn("Latency")]},
        {"type": "divider"},
        {"type": "context", "elements": [mrkdwn("by <@U1>"), plain("<!here>")]},
        actions(button("a", "Approve", style="primary"), button("r", "Reject", style="danger")),
        {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_list",
                    "style": "ordered",
                    "elements": [
                        {
                            "type": "rich_text_section",
                            "elements": [
                                {"type": "text", "text": "tell "},
                                {"type": "broadcast", "range": "here"},
                            ],
                        }
                    ],
                }
            ],
        },
        {
            "type": "table",
            "rows": [[{"type": "raw_text", "text": "+2"}, {"type": "raw_number", "value": 7}]],
        },
        {"type": "image", "image_url": "https://e.example/c.png", "alt_text": "error rate"},
        asks("why", optional=True),
    )
    assert render(card, names=NAMES).splitlines() == [
        "═ INC-1 ═",
        "*checkout*  [More]",
        "Errors │ 7 %",
        "Latency",
        "─" * 32,
        "by @ana · <!here>",
        "[✓ Approve] [! Reject]",
        "1. tell 🔔@here",
        "+2 │ 7",
        "(image: error rate)",
        "Why (optional): [      ]",
    ]
