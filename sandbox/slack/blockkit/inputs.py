"""Fields to fill in: texts, numbers, dates, files.

Bounds are those of docs.slack.dev/reference/block-kit/block-elements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.slack.blockkit.common import COMMON, MENU
from sandbox.slack.blockkit.objects import DISPATCH_CONFIG, ID, PLACEHOLDER
from sandbox.slack.blockkit.schema import Anything, Boolean, Check, Integer, List, String, kind

DATE = String(pattern=r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", means="must be YYYY-MM-DD")
TIME = String(pattern=r"([01]\d|2[0-3]):[0-5]\d", means="must be HH:mm")
NUMBER = String(pattern=r"-?\d+(\.\d+)?", means="must be a number in a string")
TYPED: dict[str, Check] = {
    "action_id": ID,
    "placeholder": PLACEHOLDER,
    "dispatch_action_config": DISPATCH_CONFIG,
    "focus_on_load": Boolean(),
}


def _ordered(low: str, high: str) -> Any:
    def rule(value: Mapping[str, Any]) -> Iterable[str]:
        try:
            if float(value[low]) > float(value[high]):
                yield f"`{low}` must not be greater than `{high}`"
        except (KeyError, TypeError, ValueError):
            return  # a missing or malformed bound is reported where it stands

    return rule


INPUTS: dict[str, Check] = {
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
}
