"""Block elements, one description each, and where each may stand.

Bounds are those of docs.slack.dev/reference/block-kit/block-elements.
"""

from __future__ import annotations

from sandbox.slack.blockkit.common import COMMON, IDS
from sandbox.slack.blockkit.inputs import INPUTS
from sandbox.slack.blockkit.menus import MENUS
from sandbox.slack.blockkit.objects import (
    CONFIRM,
    ID,
    SLACK_FILE,
    TEXT_OPTION,
    URL,
    URL_OPTION,
    image_url,
    initial_among_options,
    plain,
    unique_values,
)
from sandbox.slack.blockkit.schema import Anything, Check, List, OneOf, String, any_of, kind

STYLE = OneOf(("primary", "danger"))


def _options(item: Check, limit: int) -> dict[str, Check]:
    return {"options": List(of=item, max=limit)}


ELEMENTS: dict[str, Check] = (
    MENUS
    | INPUTS
    | {
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
)

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
