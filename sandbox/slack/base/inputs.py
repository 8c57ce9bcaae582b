"""What an input element holds: its initial value, and what a person may put into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.slack.base.model import Json


class NotAChoice(LookupError):  # noqa: N818 - reads as what happened
    """A person cannot pick this: the element does not offer it."""


@dataclass(frozen=True, kw_only=True)
class InputKind:
    """How one element type keeps its value: the key in `state`, and the key for its start value."""

    state_key: str
    initial_key: str
    many: bool = False
    options: bool = False


KINDS: Mapping[str, InputKind] = {
    "plain_text_input": InputKind(state_key="value", initial_key="initial_value"),
    "number_input": InputKind(state_key="value", initial_key="initial_value"),
    "email_text_input": InputKind(state_key="value", initial_key="initial_value"),
    "url_text_input": InputKind(state_key="value", initial_key="initial_value"),
    "rich_text_input": InputKind(state_key="rich_text_value", initial_key="initial_value"),
    "datepicker": InputKind(state_key="selected_date", initial_key="initial_date"),
    "timepicker": InputKind(state_key="selected_time", initial_key="initial_time"),
    "datetimepicker": InputKind(state_key="selected_date_time", initial_key="initial_date_time"),
    "file_input": InputKind(state_key="files", initial_key="", many=True),
    "static_select": InputKind(
        state_key="selected_option", initial_key="initial_option", options=True
    ),
    "external_select": InputKind(
        state_key="selected_option", initial_key="initial_option", options=True
    ),
    "radio_buttons": InputKind(
        state_key="selected_option", initial_key="initial_option", options=True
    ),
    "checkboxes": InputKind(
        state_key="selected_options", initial_key="initial_options", many=True, options=True
    ),
    "multi_static_select": InputKind(
        state_key="selected_options", initial_key="initial_options", many=True, options=True
    ),
    "multi_external_select": InputKind(
        state_key="selected_options", initial_key="initial_options", many=True, options=True
    ),
    "users_select": InputKind(state_key="selected_user", initial_key="initial_user"),
    "multi_users_select": InputKind(
        state_key="selected_users", initial_key="initial_users", many=True
    ),
    "channels_select": InputKind(state_key="selected_channel", initial_key="initial_channel"),
    "multi_channels_select": InputKind(
        state_key="selected_channels", initial_key="initial_channels", many=True
    ),
    "conversations_select": InputKind(
        state_key="selected_conversation", initial_key="initial_conversation"
    ),
    "multi_conversations_select": InputKind(
        state_key="selected_conversations", initial_key="initial_conversations", many=True
    ),
}


def elements_of(block: Json) -> list[Json]:
    """The interactive elements of one block, wherever the block keeps them."""
    held = [block.get("element"), block.get("accessory"), *(block.get("elements") or [])]
    return [e for e in held if isinstance(e, dict) and "action_id" in e]


def stateful_elements(blocks: Sequence[Json]) -> Iterator[tuple[Json, Json]]:
    """Every (block, element) that holds a value."""
    for block in blocks:
        for element in elements_of(block):
            if element["type"] in KINDS:
                yield block, element


def initial_state(element: Json) -> Json:
    """The element's entry in `state.values` before anyone touched it."""
    kind = KINDS[element["type"]]
    start = element.get(kind.initial_key, [] if kind.many else None)
    return {"type": element["type"], kind.state_key: start}


def state_values(blocks: Sequence[Json], typed: Mapping[tuple[str, str], Json]) -> Json:
    """`state.values` of a surface: block_id → action_id → value."""
    values: dict[str, Json] = {}
    for block, element in stateful_elements(blocks):
        key = (block["block_id"], element["action_id"])
        state = typed.get(key)
        if state is None or state["type"] != element["type"]:
            state = initial_state(element)
        values.setdefault(key[0], {})[key[1]] = state
    return values


def entered(element: Json, value: Any) -> Json:
    """The state after a person entered `value`: text, an option's value or label, an id, a list."""
    kind = KINDS[element["type"]]
    if kind.options and value is not None:
        offered = offered_options(element)
        value = [_pick(offered, one) for one in value] if kind.many else _pick(offered, value)
    elif kind.many:
        value = list(value or [])
    elif element["type"] == "datetimepicker" and value is not None:
        value = int(value)
    elif value is not None and not isinstance(value, dict):
        value = str(value)
    return {"type": element["type"], kind.state_key: value}


def offered_options(element: Json) -> list[Json]:
    """Every option of a select, its groups included."""
    groups = element.get("option_groups") or []
    return [*(element.get("options") or []), *(o for g in groups for o in g["options"])]


def _pick(offered: list[Json], wanted: Any) -> Json:
    if isinstance(wanted, dict):
        return wanted
    for option in offered:
        if wanted in (option.get("value"), option["text"]["text"]):
            return option
    labels = [f"{o['text']['text']!r} ({o.get('value')!r})" for o in offered]
    raise NotAChoice(f"{wanted!r} is not offered; the choices are {', '.join(labels)}")


def is_empty(state: Json) -> bool:
    """Whether a person left the element blank."""
    return not state[KINDS[state["type"]].state_key]
