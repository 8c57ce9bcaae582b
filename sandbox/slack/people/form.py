"""Finding things on a surface, and what Slack's own client checks before it submits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.slack.base.inputs import KINDS, elements_of, is_empty, state_values
from sandbox.slack.base.model import Json, Message, View

Surface = Message | View
REQUIRED = "Please complete this required field."


def find_action(
    surface: Surface, action_id: str, *, value: str | None = None, label: str | None = None
) -> tuple[Json, Json]:
    """The (block, element) with this action_id, or the only one whose action_id begins so.

    Raises LookupError when nothing or more than one thing fits.
    """
    every = [(block, e) for block in surface.blocks for e in elements_of(block)]
    fits = [pair for pair in every if pair[1]["action_id"] == action_id]
    fits = fits or [pair for pair in every if pair[1]["action_id"].startswith(action_id)]
    if value is not None:
        fits = [pair for pair in fits if pair[1].get("value") == value]
    if label is not None:
        fits = [pair for pair in fits if (pair[1].get("text") or {}).get("text") == label]
    if len(fits) != 1:
        there = ", ".join(e["action_id"] for _block, e in every) or "nothing to press"
        raise LookupError(f"{len(fits)} elements fit {action_id!r}; there is {there}")
    return fits[0]


def find_input(view: View, key: str) -> tuple[Json, Json]:
    """The (block, element) named by its block_id, its action_id or its label."""
    for block in view.blocks:
        for element in elements_of(block):
            label = (block.get("label") or {}).get("text")
            if element["type"] in KINDS and key in (block["block_id"], element["action_id"], label):
                return block, element
    there = ", ".join(block["block_id"] for block in view.blocks)
    raise LookupError(f"no input is called {key!r} in {view.title!r}; there is {there}")


def dispatches(block: Json) -> bool:
    """Whether a change in this block is sent to the app at once."""
    return block["type"] != "input" or bool(block.get("dispatch_action"))


def client_errors(view: View, typed: Mapping[tuple[str, str], Json]) -> dict[str, str]:
    """block_id → what Slack's client says about an input, before the app hears of it."""
    values = state_values(view.blocks, typed)
    errors: dict[str, str] = {}
    for block in view.blocks:
        if block["type"] != "input":
            continue
        element = block["element"]
        state = values[block["block_id"]][element["action_id"]]
        if is_empty(state):
            if not block.get("optional"):
                errors[block["block_id"]] = REQUIRED
            continue
        for problem in _value_problems(element, state):
            errors.setdefault(block["block_id"], problem)
    return errors


def _value_problems(element: Json, state: Json) -> Iterator[str]:
    value: Any = state[KINDS[element["type"]].state_key]
    match element["type"]:
        case "plain_text_input":
            if len(value) < element.get("min_length", 0):
                yield f"Please enter at least {element['min_length']} characters."
            if len(value) > element.get("max_length", 3000):
                yield f"Please enter at most {element.get('max_length', 3000)} characters."
        case "number_input":
            yield from _number_problems(element, value)
        case "email_text_input":
            if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
                yield "Please enter a valid email address."
        case "url_text_input":
            if not re.fullmatch(r"https?://\S+", value):
                yield "Please enter a valid URL."
        case _:
            if isinstance(value, list) and len(value) > element.get("max_selected_items", 100):
                yield f"Please choose at most {element['max_selected_items']} items."


def _number_problems(element: Json, value: str) -> Iterator[str]:
    decimal = element.get("is_decimal_allowed", False)
    if not re.fullmatch(r"-?\d+(\.\d+)?" if decimal else r"-?\d+", value):
        yield "Please enter a number." if decimal else "Please enter a whole number."
        return
    if float(value) < float(element.get("min_value", "-inf")):
        yield f"Please enter a number of at least {element['min_value']}."
    if float(value) > float(element.get("max_value", "inf")):
        yield f"Please enter a number of at most {element['max_value']}."
