"""Whole surfaces: a message's blocks, a modal, a home tab. Entry points of the validator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Json
from sandbox.slack.blockkit.blocks import blocks_of
from sandbox.slack.blockkit.objects import plain
from sandbox.slack.blockkit.schema import Boolean, Check, Problem, Problems, String, Tagged, kind

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
VIEW_BYTES = 250_000
# Not documented; seen from chat.postMessage by several users as msg_blocks_too_long.
MESSAGE_CHARACTERS = 13_200
MARKDOWN_CHARACTERS = 12_000

SHARED: dict[str, Check] = {
    "private_metadata": String(max=3000),
    "callback_id": String(max=255),
    "external_id": String(max=255),
}
VIEW = Tagged(
    what="view type",
    kinds={
        "modal": kind(
            "modal",
            required={"title": plain(24), "blocks": blocks_of("modal", most=VIEW_BLOCKS)},
            optional=SHARED
            | {
                "submit": plain(24),
                "close": plain(24),
                "clear_on_close": Boolean(),
                "notify_on_close": Boolean(),
                "submit_disabled": Boolean(),
            },
        ),
        "home": kind(
            "home",
            required={"blocks": blocks_of("home", most=VIEW_BLOCKS)},
            optional=SHARED,
        ),
    },
)
MESSAGE = blocks_of("message", most=MESSAGE_BLOCKS)


def message_problems(blocks: Any) -> list[Problem]:
    """Everything that Slack holds against the blocks of a message."""
    return [*MESSAGE(blocks, "/blocks"), *_across(blocks, "/blocks")]


def view_problems(view: Any) -> list[Problem]:
    """Everything that Slack holds against a view."""
    found = [*VIEW(view, "/view")]
    if not isinstance(view, dict):
        return found
    blocks = view.get("blocks")
    found += _across(blocks, "/view/blocks")
    has_input = any(block.get("type") == "input" for _, block in _objects(blocks))
    if view.get("type") == "modal" and has_input and not view.get("submit"):
        found.append(Problem("missing required field: submit", "/view"))
    return found


def check_message_blocks(blocks: Any) -> None:
    """Refuse blocks that Slack would refuse, with its codes and messages."""
    if not isinstance(blocks, list):
        raise SlackRefusal(
            "invalid_blocks_format", "[ERROR] must be an array [json-pointer:/blocks]"
        )
    if problems := message_problems(blocks):
        lines = [str(problem) for problem in problems]
        raise SlackRefusal("invalid_blocks", *(f"[ERROR] {line}" for line in lines), errors=lines)
    if _characters(blocks) > MESSAGE_CHARACTERS:
        raise SlackRefusal("msg_blocks_too_long")


def check_view(view: Any, *, kinds: Sequence[str]) -> Json:
    """Refuse a view that Slack would refuse; `kinds` says which types the method takes."""
    if len(json.dumps(view).encode()) > VIEW_BYTES:
        raise SlackRefusal("view_too_large")
    problems = view_problems(view)
    if not problems and view["type"] not in kinds:
        problems = [Problem(f"unsupported view type: {view['type']}", "/view/type")]
    if problems:
        raise SlackRefusal("invalid_arguments", *(f"[ERROR] {problem}" for problem in problems))
    checked: Json = view
    return checked


def _across(blocks: Any, at: str) -> Problems:
    yield from _repeated(_block_ids(blocks, at), "block_id")
    yield from _repeated(_element_values(blocks, at, "action_id"), "action_id")
    focused = [p for value, p in _element_values(blocks, at, "focus_on_load") if value is True]
    if len(focused) > 1:
        yield Problem("only one element may have `focus_on_load`", focused[1])
    by_type = [(index, block, block.get("type")) for index, block in _objects(blocks)]
    markdown = sum(len(str(b.get("text"))) for _, b, kind_ in by_type if kind_ == "markdown")
    if markdown > MARKDOWN_CHARACTERS:
        yield Problem(f"markdown blocks must be less than {MARKDOWN_CHARACTERS + 1} characters", at)
    tables = [index for index, _, kind_ in by_type if kind_ == "table"]
    if len(tables) > 1:
        yield Problem("only one table is allowed", f"{at}/{tables[1]}")


def _repeated(found: Iterator[tuple[Any, str]], name: str) -> Problems:
    seen: set[str] = set()
    for value, pointer in found:
        if not isinstance(value, str):
            continue
        if value in seen:
            yield Problem(f"`{name}` `{value}` already exists", pointer)
        seen.add(value)


def _objects(items: Any) -> list[tuple[int, Json]]:
    """The objects of a list with their places; what is no object is reported elsewhere."""
    numbered = enumerate(items) if isinstance(items, list) else ()
    return [(index, item) for index, item in numbered if isinstance(item, dict)]


def _block_ids(blocks: Any, at: str) -> Iterator[tuple[Any, str]]:
    for index, block in _objects(blocks):
        yield block.get("block_id"), f"{at}/{index}/block_id"


def _element_values(blocks: Any, at: str, name: str) -> Iterator[tuple[Any, str]]:
    for index, block in _objects(blocks):
        for part in ("element", "accessory"):
            if isinstance(held := block.get(part), dict):
                yield held.get(name), f"{at}/{index}/{part}/{name}"
        for place, held in _objects(block.get("elements")):
            yield held.get(name), f"{at}/{index}/elements/{place}/{name}"


def _characters(value: Any) -> int:
    if isinstance(value, dict):
        own = value.get("text")
        inner = [v for k, v in value.items() if not (k == "text" and isinstance(own, str))]
        return (len(own) if isinstance(own, str) else 0) + sum(map(_characters, inner))
    return sum(map(_characters, value)) if isinstance(value, list) else 0


def normalise(blocks: Sequence[Json], *, new_id: Callable[[], str]) -> list[Json]:
    """The blocks as Slack keeps them: with ids, and with `emoji` and `verbatim` spelled out."""
    return [_with_ids(_spelled_out(block), new_id) for block in blocks]


def _with_ids(block: Json, new_id: Callable[[], str]) -> Json:
    block["block_id"] = block.get("block_id") or new_id()
    held = [block.get("element"), block.get("accessory")]
    if block["type"] in ("actions", "context_actions"):
        held += block["elements"]
    for element in held:
        if isinstance(element, dict) and element["type"] != "image":
            element["action_id"] = element.get("action_id") or new_id()
    return block


def _spelled_out(value: Any) -> Any:
    if isinstance(value, list):
        return [_spelled_out(item) for item in value]
    if not isinstance(value, dict):
        return value
    spelled = {key: _spelled_out(item) for key, item in value.items() if item is not None}
    if spelled.get("type") == "plain_text" and "text" in spelled:
        spelled.setdefault("emoji", True)
    if spelled.get("type") == "mrkdwn" and "text" in spelled:
        spelled.setdefault("verbatim", False)
    return spelled
