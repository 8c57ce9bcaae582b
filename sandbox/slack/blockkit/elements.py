"""Block elements, one description each.

Bounds are those of docs.slack.dev/reference/block-kit/block-elements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.slack.blockkit.objects import (
    CONFIRM,
    CONVERSATION_FILTER,
    DISPATCH_CONFIG,
    ID,
    MAX_SELECTED,
    OPTION_GROUP,
    PLACEHOLDER,
    PLAIN_OPTION,
    SLACK_FILE,
    TEXT_OPTION,
    URL,
    URL_OPTION,
    image_url,
    initial_among_options,
    plain,
    unique_values,
)
from sandbox.slack.blockkit.schema import (
    Anything,
    Boolean,
    Check,
    Integer,
    List,
    OneOf,
    String,
    any_of,
    exactly_one_of,
    kind,
)

DATE = String(pattern=r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", means="must be YYYY-MM-DD")
TIME = String(pattern=r"([01]\d|2[0-3]):[0-5]\d", means="must be HH:mm")
NUMBER = String(pattern=r"-?\d+(\.\d+)?", means="must be a number in a string")
STYLE = OneOf(("primary", "danger"))
COMMON: dict[str, Check] = {"action_id": ID, "confirm": CONFIRM, "focus_on_load": Boolean()}
TYPED: dict[str, Check] = {
    "action_id": ID,
    "placeholder": PLACEHOLDER,
    "dispatch_action_config": DISPATCH_CONFIG,
    "focus_on_load": Boolean(),
}
MENU: dict[str, Check] = COMMON | {"placeholder": PLACEHOLDER}
MULTI: dict[str, Check] = MENU | {"max_selected_items": MAX_SELECTED}
IDS = List(of=String(), min=0)


def _ordered(low: str, high: str) -> Any:
    def rule(value: Mapping[str, Any]) -> Iterable[str]:
        try:
            if float(value[low]) > float(value[high]):
                yield f"`{low}` must not be greater than `{high}`"
        except (KeyError, TypeError, ValueError):
            return  # a missing or malformed bound is reported where it stands

    return rule


def _options(item: Check, limit: int) -> dict[str, Check]:
    return {"options": List(of=item, max=limit)}


STATIC = {
    "options": List(of=PLAIN_OPTION, max=100),
    "option_groups": List(of=OPTION_GROUP, max=100),
}

ELEMENTS: dict[str, Check] = {
    "button": kind(
        "button",
        required={"text": plain(75)},
        optional={
            "action_id": ID,
            "url": URL,
            "value": String(max=2000),
            "style": STYLE,
            "confirm": CONFIRM,
            "accessibility_label": String(max=75),
        },
    ),
    "workflow_button": kind(
        "workflow_button",
        required={"text": plain(75), "workflow": Anything()},
        optional={"action_id": ID, "style": STYLE, "accessibility_label": String(max=75)},
    ),
    "overflow": kind(
        "overflow",
        required=_options(URL_OPTION, 5),
        optional={"action_id": ID, "confirm": CONFIRM},
        rules=(unique_values(),),
    ),
    "checkboxes": kind(
        "checkboxes",
        required=_options(TEXT_OPTION, 10),
        optional=COMMON | {"initial_options": List(of=TEXT_OPTION, max=10)},
        rules=(unique_values(), initial_among_options("initial_options")),
    ),
    "radio_buttons": kind(
        "radio_buttons",
        required=_options(TEXT_OPTION, 10),
        optional=COMMON | {"initial_option": TEXT_OPTION},
        rules=(unique_values(), initial_among_options("initial_option")),
    ),
    "static_select": kind(
        "static_select",
        optional=MENU | STATIC | {"initial_option": PLAIN_OPTION},
        rules=(
            exactly_one_of("options", "option_groups"),
            unique_values(),
            initial_among_options("initial_option"),
        ),
    ),
    "multi_static_select": kind(
        "multi_static_select",
        optional=MULTI | STATIC | {"initial_options": List(of=PLAIN_OPTION, max=100)},
        rules=(
            exactly_one_of("options", "option_groups"),
            unique_values(),
            initial_among_options("initial_options"),
        ),
    ),
    "external_select": kind(
        "external_select",
        optional=MENU | {"initial_option": PLAIN_OPTION, "min_query_length": Integer(min=0)},
    ),
    "multi_external_select": kind(
        "multi_external_select",
        optional=MULTI
        | {"initial_options": List(of=PLAIN_OPTION), "min_query_length": Integer(min=0)},
    ),
    "users_select": kind("users_select", optional=MENU | {"initial_user": String()}),
    "multi_users_select": kind("multi_users_select", optional=MULTI | {"initial_users": IDS}),
    "channels_select": kind(
        "channels_select",
        optional=MENU | {"initial_channel": String(), "response_url_enabled": Boolean()},
    ),
    "multi_channels_select": kind(
        "multi_channels_select", optional=MULTI | {"initial_channels": IDS}
    ),
    "conversations_select": kind(
        "conversations_select",
        optional=MENU
        | {
            "initial_conversation": String(),
            "default_to_current_conversation": Boolean(),
            "response_url_enabled": Boolean(),
            "filter": CONVERSATION_FILTER,
        },
    ),
    "multi_conversations_select": kind(
        "multi_conversations_select",
        optional=MULTI
        | {
            "initial_conversations": IDS,
            "default_to_current_conversation": Boolean(),
            "filter": CONVERSATION_FILTER,
        },
    ),
    "datepicker": kind("datepicker", optional=MENU | {"initial_date": DATE}),
    "timepicker": kind("timepicker", optional=MENU | {"initial_time": TIME, "timezone": String()}),
    "datetimepicker": kind(
        "datetimepicker",
        optional=COMMON | {"initial_date_time": Integer(min=10**9, max=10**10 - 1)},
    ),
    "plain_text_input": kind(
        "plain_text_input",
        optional=TYPED
        | {
            "initial_value": String(max=3000),
            "multiline": Boolean(),
            "min_length": Integer(min=0, max=3000),
            "max_length": Integer(min=1, max=3000),
        },
        rules=(_ordered("min_length", "max_length"),),
    ),
    "number_input": kind(
        "number_input",
        required={"is_decimal_allowed": Boolean()},
        optional=TYPED | {"initial_value": NUMBER, "min_value": NUMBER, "max_value": NUMBER},
        rules=(_ordered("min_value", "max_value"),),
    ),
    "email_text_input": kind("email_text_input", optional=TYPED | {"initial_value": String()}),
    "url_text_input": kind("url_text_input", optional=TYPED | {"initial_value": String()}),
    "rich_text_input": kind(
        "rich_text_input",
        required={"action_id": ID},
        optional=TYPED | {"initial_value": Anything()},
    ),
    "file_input": kind(
        "file_input",
        optional={
            "action_id": ID,
            "filetypes": List(of=String()),
            "max_files": Integer(min=1, max=10),
        },
    ),
    "image": kind(
        "image",
        required={"alt_text": String(min=1, max=2000)},
        optional={"image_url": image_url, "slack_file": SLACK_FILE},
        rules=(any_of("image_url", "slack_file"),),
    ),
    "feedback_buttons": kind(
        "feedback_buttons",
        required={"positive_button": Anything(), "negative_button": Anything()},
        optional={"action_id": ID},
    ),
    "icon_button": kind(
        "icon_button",
        required={"icon": OneOf(("trash",)), "text": plain(75)},
        optional={
            "action_id": ID,
            "value": String(max=2000),
            "confirm": CONFIRM,
            "accessibility_label": String(max=75),
            "visible_to_user_ids": IDS,
        },
    ),
}

SELECTS = frozenset(name for name in ELEMENTS if name.endswith("_select"))
PICKERS = frozenset({"datepicker", "timepicker"})
CHOICES = frozenset({"checkboxes", "radio_buttons"})
TEXT_INPUTS = frozenset(
    {
        "plain_text_input",
        "number_input",
        "email_text_input",
        "url_text_input",
        "rich_text_input",
        "file_input",
    }
)
IN_SECTION = (
    frozenset({"button", "workflow_button", "overflow", "image"}) | SELECTS | PICKERS | CHOICES
)
IN_ACTIONS = (
    frozenset({"button", "workflow_button", "overflow", "datetimepicker"})
    | SELECTS
    | PICKERS
    | CHOICES
)
IN_INPUT = TEXT_INPUTS | SELECTS | PICKERS | CHOICES | {"datetimepicker"}
