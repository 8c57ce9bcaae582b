"""Block Kit that Slack refuses is refused here, with Slack's codes and JSON pointers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.slack_support import (
    Json,
    actions,
    asks,
    button,
    client,
    modal,
    mrkdwn,
    plain,
    refusal,
    slack,
)

OPTION = {"text": plain("One"), "value": "1"}
LONG = "x" * 20_000


def section(text: Json | None = None, **more: Any) -> Json:
    return {"type": "section", "text": mrkdwn("hello") if text is None else text, **more}


def select(**more: Any) -> Json:
    return {"type": "static_select", "action_id": "s", "options": [OPTION], **more}


def options(count: int) -> list[Json]:
    return [{"text": plain(f"Option {n}"), "value": str(n)} for n in range(count)]


def under(**text: Any) -> Json:
    return {"type": "section", "text": text}


TEXT_TOO_LONG = "must be less than {} characters"
MESSAGE_REFUSALS: dict[str, tuple[list[Any], str, str]] = {
    "51 blocks": ([{"type": "divider"}] * 51, "no more than 50 items allowed", "/blocks"),
    "unknown block type": (
        [{"type": "banner"}],
        "unsupported type: banner",
        "/blocks/0/type",
    ),
    "block without type": ([{}], "missing required field: type", "/blocks/0"),
    "block that is no object": (["x"], "must be an object", "/blocks/0"),
    "file block": (
        [{"type": "file", "external_id": "x", "source": "remote"}],
        "unsupported type: file",
        "/blocks/0/type",
    ),
    "unknown key": (
        [section(colour="red")],
        "invalid additional property: colour",
        "/blocks/0",
    ),
    "section without text or fields": (
        [{"type": "section"}],
        "must define either `text` or `fields`",
        "/blocks/0",
    ),
    "section text over 3000": (
        [section(mrkdwn(LONG[:3001]))],
        TEXT_TOO_LONG.format(3001),
        "/blocks/0/text/text",
    ),
    "empty section text": ([section(mrkdwn(""))], "must be more than 0", "/blocks/0/text/text"),
    "text that is no text object": (
        [{"type": "section", "text": "hello"}],
        "must be an object",
        "/blocks/0/text",
    ),
    "text of the wrong type": (
        [under(type="mrkdwn", text=5)],
        "must be a string",
        "/blocks/0/text/text",
    ),
    "mrkdwn with emoji": (
        [under(type="mrkdwn", text="x", emoji=True)],
        "invalid additional property: emoji",
        "/blocks/0/text",
    ),
    "11 fields": (
        [{"type": "section", "fields": [mrkdwn("x")] * 11}],
        "no more than 10 items allowed",
        "/blocks/0/fields",
    ),
    "field over 2000": (
        [{"type": "section", "fields": [mrkdwn(LONG[:2001])]}],
        TEXT_TOO_LONG.format(2001),
        "/blocks/0/fields/0/text",
    ),
    "header over 150": (
        [{"type": "header", "text": plain(LONG[:151])}],
        TEXT_TOO_LONG.format(151),
        "/blocks/0/text/text",
    ),
    "mrkdwn in header": (
        [{"type": "header", "text": mrkdwn("x")}],
        "must be one of: plain_text",
        "/blocks/0/text/type",
    ),
    "26 buttons": (
        [actions(*(button(f"b{n}") for n in range(26)))],
        "no more than 25 items allowed",
        "/blocks/0/elements",
    ),
    "actions without elements": ([actions()], "no fewer than 1", "/blocks/0/elements"),
    "input in actions": (
        [actions({"type": "plain_text_input", "action_id": "t"})],
        "unsupported type for element: plain_text_input",
        "/blocks/0/elements/0/type",
    ),
    "11 context elements": (
        [{"type": "context", "elements": [mrkdwn("x")] * 11}],
        "no more than 10 items allowed",
        "/blocks/0/elements",
    ),
    "button in context": (
        [{"type": "context", "elements": [button()]}],
        "unsupported type for element: button",
        "/blocks/0/elements/0/type",
    ),
    "button text over 75": (
        [actions(button(text=LONG[:76]))],
        TEXT_TOO_LONG.format(76),
        "/blocks/0/elements/0/text/text",
    ),
    "mrkdwn in button": (
        [actions({"type": "button", "action_id": "a", "text": mrkdwn("x")})],
        "must be one of: plain_text",
        "/blocks/0/elements/0/text/type",
    ),
    "button value over 2000": (
        [actions(button(value=LONG[:2001]))],
        TEXT_TOO_LONG.format(2001),
        "/blocks/0/elements/0/value",
    ),
    "button value that is a number": (
        [actions(button(value=5))],
        "must be a string",
        "/blocks/0/elements/0/value",
    ),
    "button url over 3000": (
        [actions(button(url="https://e.example/" + LONG[:3000]))],
        TEXT_TOO_LONG.format(3001),
        "/blocks/0/elements/0/url",
    ),
    "button url that is none": (
        [actions(button(url="not a url"))],
        "must be a valid URL",
        "/blocks/0/elements/0/url",
    ),
    "unknown button style": (
        [actions(button(style="warning"))],
        "must be one of: primary, danger",
        "/blocks/0/elements/0/style",
    ),
    "action_id over 255": (
        [actions(button(LONG[:256]))],
        TEXT_TOO_LONG.format(256),
        "/blocks/0/elements/0/action_id",
    ),
    "block_id over 255": (
        [section(block_id=LONG[:256])],
        TEXT_TOO_LONG.format(256),
        "/blocks/0/block_id",
    ),
    "the same action_id twice": (
        [actions(button("a")), actions(button("a"))],
        "`action_id` `a` already exists",
        "/blocks/1/elements/0/action_id",
    ),
    "the same block_id twice": (
        [section(block_id="b"), section(block_id="b")],
        "`block_id` `b` already exists",
        "/blocks/1/block_id",
    ),
    "confirm title over 100": (
        [
            actions(
                button(
                    confirm={
                        "title": plain(LONG[:101]),
                        "text": plain("x"),
                        "confirm": plain("y"),
                        "deny": plain("n"),
                    }
                )
            )
        ],
        TEXT_TOO_LONG.format(101),
        "/blocks/0/elements/0/confirm/title/text",
    ),
    "confirm without deny": (
        [actions(button(confirm={"title": plain("t"), "text": plain("x"), "confirm": plain("y")}))],
        "missing required field: deny",
        "/blocks/0/elements/0/confirm",
    ),
    "confirm button over 30": (
        [
            actions(
                button(
                    confirm={
                        "title": plain("t"),
                        "text": plain("x"),
                        "confirm": plain(LONG[:31]),
                        "deny": plain("n"),
                    }
                )
            )
        ],
        TEXT_TOO_LONG.format(31),
        "/blocks/0/elements/0/confirm/confirm/text",
    ),
    "image without alt_text": (
        [{"type": "image", "image_url": "https://e.example/a.png"}],
        "missing required field: alt_text",
        "/blocks/0",
    ),
    "image that only the app can reach": (
        [{"type": "image", "image_url": "http://127.0.0.1:8080/a.png", "alt_text": "chart"}],
        "downloading image failed",
        "/blocks/0/image_url",
    ),
    "image without source": (
        [{"type": "image", "alt_text": "chart"}],
        "must define exactly one of `image_url`, `slack_file`",
        "/blocks/0",
    ),
    "option text over 75": (
        [actions(select(options=[{"text": plain(LONG[:76]), "value": "1"}]))],
        TEXT_TOO_LONG.format(76),
        "/blocks/0/elements/0/options/0/text/text",
    ),
    "option value over 150": (
        [actions(select(options=[{"text": plain("x"), "value": LONG[:151]}]))],
        TEXT_TOO_LONG.format(151),
        "/blocks/0/elements/0/options/0/value",
    ),
    "101 options": (
        [actions(select(options=options(101)))],
        "no more than 100 items allowed",
        "/blocks/0/elements/0/options",
    ),
    "no options": ([actions(select(options=[]))], "no fewer than 1", "/options"),
    "select without options": (
        [actions({"type": "static_select", "action_id": "s"})],
        "must define exactly one of `options`, `option_groups`",
        "/blocks/0/elements/0",
    ),
    "initial option that is not offered": (
        [actions(select(initial_option={"text": plain("Two"), "value": "2"}))],
        "`initial_option` must be among the options",
        "/blocks/0/elements/0",
    ),
    "option value twice": (
        [actions(select(options=[OPTION, OPTION]))],
        "option values must be unique: 1",
        "/blocks/0/elements/0",
    ),
    "placeholder over 150": (
        [actions(select(placeholder=plain(LONG[:151])))],
        TEXT_TOO_LONG.format(151),
        "/placeholder/text",
    ),
    "6 overflow options": (
        [actions({"type": "overflow", "action_id": "o", "options": options(6)})],
        "no more than 5 items allowed",
        "/options",
    ),
    "11 radio buttons": (
        [actions({"type": "radio_buttons", "action_id": "r", "options": options(11)})],
        "no more than 10 items allowed",
        "/options",
    ),
    "11 checkboxes": (
        [actions({"type": "checkboxes", "action_id": "c", "options": options(11)})],
        "no more than 10 items allowed",
        "/options",
    ),
    "a date that is none": (
        [actions({"type": "datepicker", "action_id": "d", "initial_date": "21.11.2026"})],
        "must be YYYY-MM-DD",
        "/initial_date",
    ),
    "a time that is none": (
        [actions({"type": "timepicker", "action_id": "t", "initial_time": "25:00"})],
        "must be HH:mm",
        "/initial_time",
    ),
    "a moment in milliseconds": (
        [
            actions(
                {"type": "datetimepicker", "action_id": "d", "initial_date_time": 1_800_000_000_000}
            )
        ],
        "must be less than or equal to 9999999999",
        "/initial_date_time",
    ),
    "two elements with focus": (
        [
            actions(
                select(focus_on_load=True),
                {"type": "users_select", "action_id": "u", "focus_on_load": True},
            )
        ],
        "only one element may have `focus_on_load`",
        "/blocks/0/elements/1/focus_on_load",
    ),
    "rich text with an unknown part": (
        [{"type": "rich_text", "elements": [{"type": "rich_text_table", "elements": []}]}],
        "unsupported rich text part: rich_text_table",
        "/blocks/0/elements/0/type",
    ),
    "rich text link without url": (
        [
            {
                "type": "rich_text",
                "elements": [{"type": "rich_text_section", "elements": [{"type": "link"}]}],
            }
        ],
        "missing required field: url",
        "/blocks/0/elements/0/elements/0",
    ),
    "101 table rows": (
        [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]] * 101}],
        "no more than 100 items allowed",
        "/blocks/0/rows",
    ),
    "21 table columns": (
        [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * 21]}],
        "no more than 20 items allowed",
        "/blocks/0/rows/0",
    ),
    "two tables": (
        [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]]}] * 2,
        "only one table is allowed",
        "/blocks/1",
    ),
    "markdown over 12000": (
        [{"type": "markdown", "text": LONG[:12_001]}],
        TEXT_TOO_LONG.format(12_001),
        "/blocks/0/text",
    ),
    "video without thumbnail": (
        [
            {
                "type": "video",
                "alt_text": "x",
                "title": plain("x"),
                "video_url": "https://e.example/v",
            }
        ],
        "missing required field: thumbnail_url",
        "/blocks/0",
    ),
}


def text_input(**more: Any) -> Json:
    return {"type": "plain_text_input", "action_id": "t", **more}


def number_input(**more: Any) -> Json:
    return {"type": "number_input", "action_id": "n", "is_decimal_allowed": False, **more}


VIEW_REFUSALS: dict[str, tuple[Json, str, str]] = {
    "101 blocks": (
        modal(*[{"type": "divider"}] * 101),
        "no more than 100 items allowed",
        "/view/blocks",
    ),
    "no title": (modal(title=None), "missing required field: title", "/view"),
    "title over 24": (modal(title=plain("x" * 25)), TEXT_TOO_LONG.format(25), "/view/title/text"),
    "submit over 24": (
        modal(submit=plain("x" * 25)),
        TEXT_TOO_LONG.format(25),
        "/view/submit/text",
    ),
    "close over 24": (modal(close=plain("x" * 25)), TEXT_TOO_LONG.format(25), "/view/close/text"),
    "mrkdwn title": (modal(title=mrkdwn("x")), "must be one of: plain_text", "/view/title/type"),
    "no blocks": (
        {"type": "modal", "title": plain("x")},
        "missing required field: blocks",
        "/view",
    ),
    "input without submit": (
        modal(asks("why"), submit=None),
        "missing required field: submit",
        "/view",
    ),
    "private_metadata over 3000": (
        modal(private_metadata="x" * 3001),
        TEXT_TOO_LONG.format(3001),
        "/view/private_metadata",
    ),
    "callback_id over 255": (
        modal(callback_id="x" * 256),
        TEXT_TOO_LONG.format(256),
        "/view/callback_id",
    ),
    "external_id over 255": (
        modal(external_id="x" * 256),
        TEXT_TOO_LONG.format(256),
        "/view/external_id",
    ),
    "unknown key": (
        modal(colour="red"),
        "invalid additional property: colour",
        "/view",
    ),
    "unknown type": (modal(type="popup"), "unsupported view type: popup", "/view/type"),
    "a home tab in a modal's place": (
        {"type": "home", "blocks": []},
        "unsupported view type: home",
        "/view/type",
    ),
    "markdown block": (
        modal({"type": "markdown", "text": "x"}),
        "unsupported type: markdown",
        "/view/blocks/0/type",
    ),
    "table block": (
        modal({"type": "table", "rows": []}),
        "unsupported type: table",
        "/view/blocks/0/type",
    ),
    "button as input": (
        modal(asks("why", button())),
        "unsupported type for element: button",
        "/view/blocks/0/element/type",
    ),
    "label over 2000": (
        modal(asks("why", label=plain(LONG[:2001]))),
        TEXT_TOO_LONG.format(2001),
        "/view/blocks/0/label/text",
    ),
    "mrkdwn label": (
        modal(asks("why", label=mrkdwn("x"))),
        "must be one of: plain_text",
        "/view/blocks/0/label/type",
    ),
    "hint over 2000": (
        modal(asks("why", hint=plain(LONG[:2001]))),
        TEXT_TOO_LONG.format(2001),
        "/view/blocks/0/hint/text",
    ),
    "optional that is no boolean": (
        modal(asks("why", optional="yes")),
        "must be a boolean",
        "/view/blocks/0/optional",
    ),
    "min_length over 3000": (
        modal(asks("why", text_input(min_length=3001))),
        "must be less than or equal to 3000",
        "/element/min_length",
    ),
    "max_length of nothing": (
        modal(asks("why", text_input(max_length=0))),
        "must be greater than or equal to 1",
        "/element/max_length",
    ),
    "min_length over max_length": (
        modal(asks("why", text_input(min_length=5, max_length=4))),
        "`min_length` must not be greater than `max_length`",
        "/element",
    ),
    "number input that does not say decimal": (
        modal(asks("n", {"type": "number_input"})),
        "missing required field: is_decimal_allowed",
        "/element",
    ),
    "number bounds that are numbers": (
        modal(asks("n", number_input(min_value=5))),
        "must be a string",
        "/element/min_value",
    ),
    "number bounds the wrong way round": (
        modal(asks("n", number_input(min_value="5", max_value="4"))),
        "`min_value` must not be greater than `max_value`",
        "/element",
    ),
    "unknown dispatch trigger": (
        modal(asks("why", text_input(dispatch_action_config={"trigger_actions_on": ["on_blur"]}))),
        "must be one of: on_enter_pressed, on_character_entered",
        "/trigger_actions_on/0",
    ),
    "11 files": (
        modal(asks("f", {"type": "file_input", "max_files": 11})),
        "must be less than or equal to 10",
        "/element/max_files",
    ),
    "the same action_id in two inputs": (
        modal(asks("a", text_input()), asks("b", text_input())),
        "`action_id` `t` already exists",
        "/view/blocks/1/element/action_id",
    ),
}


@pytest.mark.parametrize("case", MESSAGE_REFUSALS)
async def test_blocks_that_slack_refuses_in_a_message_are_refused(case: str) -> None:
    blocks, words, pointer = MESSAGE_REFUSALS[case]
    async with slack() as server:
        server.workspace.add_channel("incidents", with_bot=True)
        post = client(server).chat_postMessage(channel="incidents", text="x", blocks=blocks)
        code, messages = await refusal(post)
        assert code == "invalid_blocks"
        assert any(words in m and f"{pointer}]" in m for m in messages), messages
        assert not [m for m in server.workspace.messages("incidents") if m.bot_id]
        assert [(r.where, r.code) for r in server.refusals] == [("chat.postMessage", code)]


@pytest.mark.parametrize("case", VIEW_REFUSALS)
async def test_a_view_that_slack_refuses_is_refused(case: str) -> None:
    view, words, pointer = VIEW_REFUSALS[case]
    async with slack() as server:
        trigger = server.world.triggers.issue(server.workspace.user("ana").id)
        opened = client(server).views_open(trigger_id=trigger, view=view)
        code, messages = await refusal(opened)
        assert code == "invalid_arguments"
        assert any(words in m and f"{pointer}]" in m for m in messages), messages
        assert server.workspace.user("ana").view is None


async def test_blocks_beyond_the_total_of_characters_are_too_long() -> None:
    async with slack() as server:
        server.workspace.add_channel("incidents", with_bot=True)
        blocks = [section(mrkdwn(LONG[:3000])) for _ in range(5)]
        post = client(server).chat_postMessage(channel="incidents", text="x", blocks=blocks)
        assert (await refusal(post))[0] == "msg_blocks_too_long"


async def test_a_view_over_250_kilobytes_is_too_large() -> None:
    async with slack() as server:
        blocks = [section(mrkdwn(LONG[:2900])) for _ in range(100)]
        trigger = server.world.triggers.issue("U0ANA000001")
        opened = client(server).views_open(trigger_id=trigger, view=modal(*blocks))
        assert (await refusal(opened))[0] == "view_too_large"


async def test_blocks_that_are_no_json_are_named_as_such() -> None:
    async with slack() as server:
        server.workspace.add_channel("incidents", with_bot=True)
        for blocks in ("[{", '{"type": "divider"}'):
            post = client(server).chat_postMessage(channel="incidents", text="x", blocks=blocks)
            assert (await refusal(post))[0] == "invalid_blocks_format"


async def test_everything_at_its_limit_is_taken_and_gets_ids() -> None:
    async with slack() as server:
        server.workspace.add_channel("incidents", with_bot=True)
        blocks = [
            {"type": "header", "text": plain("h" * 150)},
            section(mrkdwn("s" * 3000), accessory=button("side", "b" * 75, value="v" * 2000)),
            {"type": "section", "fields": [mrkdwn("f" * 20)] * 10},
            {"type": "context", "elements": [mrkdwn("c")] * 10},
            actions(*({"type": "button", "text": plain(str(n))} for n in range(25))),
            {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * 20] * 2},
            {
                "type": "rich_text",
                "elements": [
                    {
                        "type": "rich_text_list",
                        "style": "bullet",
                        "elements": [
                            {
                                "type": "rich_text_section",
                                "elements": [
                                    {"type": "text", "text": "x", "style": {"bold": True}}
                                ],
                            }
                        ],
                    }
                ],
            },
            *[{"type": "divider"}] * 43,
        ]
        answer = await client(server).chat_postMessage(channel="incidents", text="x", blocks=blocks)
        kept = answer["message"]["blocks"]
        assert len({block["block_id"] for block in kept}) == 50
        assert len({element["action_id"] for element in kept[4]["elements"]}) == 25
        assert kept[0]["text"]["emoji"] is True
