"""Menus to choose from: of options, people, channels.

Bounds are those of docs.slack.dev/reference/block-kit/block-elements.
"""

from __future__ import annotations

from sandbox.slack.blockkit.common import IDS, MENU
from sandbox.slack.blockkit.objects import (
    CONVERSATION_FILTER,
    MAX_SELECTED,
    OPTION_GROUP,
    PLAIN_OPTION,
    initial_among_options,
    unique_values,
)
from sandbox.slack.blockkit.schema import (
    Boolean,
    Check,
    Integer,
    List,
    String,
    exactly_one_of,
    kind,
)

MULTI: dict[str, Check] = MENU | {"max_selected_items": MAX_SELECTED}
STATIC = {
    "options": List(of=PLAIN_OPTION, max=100),
    "option_groups": List(of=OPTION_GROUP, max=100),
}

MENUS: dict[str, Check] = {
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
}
