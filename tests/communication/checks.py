"""What every surface must keep to, whatever was put into it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from slack_sdk.models.blocks import Block

from bot.communication.blocks import Message
from sandbox.slack.blockkit.surfaces import (
    check_message_blocks,
    check_view,
    message_problems,
    view_problems,
)

_OURS = re.compile(
    r"<!date\^\d+\^[^<>|^]+\|[^<>]+>|<@[UW][A-Z0-9]{2,}>|<#[CG][A-Z0-9]{2,}>",
)
_ENTITY = re.compile(r"&(?!amp;|lt;|gt;)")


def assert_message(message: Message) -> None:
    """Slack takes it, nothing was injected, and a screen reader has something to read."""
    blocks = list(message.blocks)
    assert [str(problem) for problem in message_problems(blocks)] == []
    check_message_blocks(blocks)
    for block in Block.parse_all(blocks):
        block.validate_json()
    assert message.text.strip()
    assert len(message.text) <= 4_000
    assert_nothing_injected({"type": "mrkdwn", "text": message.text})
    assert_nothing_injected(blocks)


_TO_DO = re.compile(
    r"[Nn]ext:|/rollback|Nothing (has|needs) to be done|You need not|[Jj]oin |[Pp]ress|"
    r"[Ss]ay so|Lift it|[Ss]tart |[Aa]ssess|ry again|[Aa]sk |\bread |[Rr]eply|is taken away|"
    r"bring what|add the meeting|hold the post-mortem|Come to|go on in|the recovery card",
    re.MULTILINE,
)


def assert_says_what_to_do(message: Message) -> None:
    """A tired reader finds a button, a step, or that nothing has to be done."""
    said = f"{message.text}\n{shown(message)}"
    assert buttons(message) or _TO_DO.search(said), f"what is to be done? {said}"


def assert_home(view: dict[str, Any]) -> None:
    """As ``assert_view``, for a home tab."""
    assert [str(problem) for problem in view_problems(view)] == []
    check_view(view, kinds=("home",))
    assert_nothing_injected(view)


def assert_view(view: dict[str, Any]) -> None:
    """Slack takes it, and nothing was injected."""
    assert [str(problem) for problem in view_problems(view)] == []
    check_view(view, kinds=("modal",))
    assert_nothing_injected(view)


def assert_nothing_injected(value: Any) -> None:
    """No mention, ping or link but our own; in plain text no angle bracket at all."""
    for kind, text in texts(value):
        rest = _OURS.sub("", text) if kind == "mrkdwn" else text
        assert "<" not in rest, f"{kind}: {text!r}"
        if kind == "mrkdwn":
            assert ">" not in re.sub(r"^> ", "", rest, flags=re.M), text
            assert not _ENTITY.search(rest), text


def texts(value: Any) -> Iterator[tuple[str, str]]:
    """Every text object's kind and text."""
    if isinstance(value, dict):
        if value.get("type") in {"mrkdwn", "plain_text"}:
            yield value["type"], value["text"]
            return
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from texts(inner)


def shown(surface: Message | dict[str, Any]) -> str:
    """Everything that a person can read on it."""
    blocks = surface.blocks if isinstance(surface, Message) else surface
    return "\n".join(text for _, text in texts(blocks))


def buttons(message: Message) -> dict[str, dict[str, Any]]:
    """The buttons by their action ids."""
    rows = [block for block in message.blocks if block["type"] == "actions"]
    return {element["action_id"]: element for row in rows for element in row["elements"]}


def inputs(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The input blocks by their ids."""
    return {block["block_id"]: block for block in view["blocks"] if block["type"] == "input"}
