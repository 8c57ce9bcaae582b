"""Channels, messages, and what hangs on them: rules of membership, names and limits."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.slack.server import SlackServer
from tests.sandbox.slack_support import (
    Json,
    actions,
    button,
    client,
    manifest,
    plain,
    refusal,
    slack,
)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Incident", "invalid_name_specials"),
        ("inc 1", "invalid_name_specials"),
        ("inc.1", "invalid_name_specials"),
        ("x" * 81, "invalid_name_maxlength"),
        ("---", "invalid_name_punctuation"),
        ("general", "name_taken"),
        ("old", "name_taken"),
    ],
)
async def test_a_channel_name_that_slack_refuses_is_refused(name: str, code: str) -> None:
    async with slack() as server:
        server.workspace.add_channel("old")
        server.workspace.archive("old")
        assert (await refusal(client(server).conversations_create(name=name)))[0] == code


async def test_where_members_may_not_create_channels_the_bot_may_not_either() -> None:
    async with slack() as server:
        server.workspace.policies.members_may_create_channels = False
        created = client(server).conversations_create(name="inc-1")
        assert (await refusal(created))[0] == "restricted_action"


INVITATIONS: list[tuple[str, bool, str | None, list[str]]] = [
    ("U0ANA000001", False, None, ["ana"]),
    ("U0ANA000001,U0NOBODY", False, "user_not_found", []),
    ("U0ANA000001,U0NOBODY", True, None, ["ana"]),
    ("U0NOBODY", True, "user_not_found", []),
    ("U0BOT000000", False, "cant_invite_self", []),
    ("U0BEN000002", False, "already_in_channel", []),
    ("U0BEN000002,U0ANA000001", True, None, ["ana"]),
    (",".join(f"U{n}" for n in range(101)), False, "invalid_arguments", []),
]


@pytest.mark.parametrize(("users", "force", "code", "joined"), INVITATIONS)
async def test_invitations_are_all_or_nothing_unless_forced(
    users: str, force: bool, code: str | None, joined: list[str]
) -> None:
    async with slack() as server:
        channel = server.workspace.add_channel("inc-1", members=["ben"], with_bot=True)
        call = client(server).conversations_invite(channel=channel.id, users=users, force=force)
        if code is None:
            await call
        else:
            assert (await refusal(call))[0] == code
        ids = {server.workspace.user(name).id for name in joined}
        assert set(channel.members) == {"U0BEN000002", server.bot_user_id} | ids


async def channel_calls(server: SlackServer, channel: str) -> dict[str, Any]:
    """One call of each method that needs a living channel with the bot in it."""
    api = client(server)
    return {
        "chat.postMessage": api.chat_postMessage(channel=channel, text="x"),
        "chat.postEphemeral": api.chat_postEphemeral(channel=channel, user="U0ANA000001", text="x"),
        "conversations.invite": api.conversations_invite(channel=channel, users="U0DAN000004"),
        "conversations.rename": api.conversations_rename(channel=channel, name="new"),
        "conversations.setTopic": api.conversations_setTopic(channel=channel, topic="x"),
        "conversations.setPurpose": api.conversations_setPurpose(channel=channel, purpose="x"),
    }


@pytest.mark.parametrize(
    ("private", "with_bot", "archived", "code"),
    [
        (False, False, False, "not_in_channel"),
        (True, False, False, "channel_not_found"),
        (False, True, True, "is_archived"),
    ],
)
async def test_a_bot_acts_only_in_living_channels_that_it_is_in(
    private: bool, with_bot: bool, archived: bool, code: str
) -> None:
    async with slack() as server:
        channel = server.workspace.add_channel("inc-1", private=private, with_bot=with_bot)
        if archived:
            server.workspace.archive(channel)
        for method, call in (await channel_calls(server, channel.id)).items():
            assert (await refusal(call))[0] == code, method


async def test_a_scope_lets_a_bot_post_where_it_is_not() -> None:
    held = manifest(events=[])
    held["oauth_config"]["scopes"]["bot"].append("chat:write.public")
    async with slack(manifest=held) as server:
        assert (await client(server).chat_postMessage(channel="#general", text="x"))["ok"]


async def test_channel_housekeeping() -> None:
    async with slack() as server:
        api = client(server)
        made = (await api.conversations_create(name="inc-1"))["channel"]
        assert made["is_member"]
        too_long = api.conversations_setTopic(channel=made["id"], topic="x" * 251)
        assert (await refusal(too_long))[0] == "too_long"
        await api.conversations_setTopic(channel=made["id"], topic="x" * 250)
        await api.conversations_rename(channel=made["id"], name="inc-2")
        shown = await api.conversations_info(channel=made["id"], include_num_members=True)
        assert shown["channel"]["name"] == "inc-2"
        assert shown["channel"]["num_members"] == 1
        assert len(shown["channel"]["topic"]["value"]) == 250
        await api.conversations_archive(channel=made["id"])
        again = api.conversations_archive(channel=made["id"])
        assert (await refusal(again))[0] == "already_archived"
        await api.conversations_unarchive(channel=made["id"])
        general = server.workspace.channel("general")
        closing = api.conversations_archive(channel=general.id)
        assert (await refusal(closing))[0] == "cant_archive_general"
        renaming = api.conversations_join(channel=general.id)
        assert (await renaming)["channel"]["is_member"]
        assert (await api.conversations_members(channel=made["id"]))["members"] == [
            server.bot_user_id
        ]


async def test_direct_messages_open_by_user() -> None:
    async with slack() as server:
        api = client(server)
        opened = await api.conversations_open(users="U0ANA000001")
        posted = await api.chat_postMessage(channel="U0ANA000001", text="psst")
        assert posted["channel"] == opened["channel"]["id"]
        ana = server.workspace.user("ana")
        assert [m.text for m in ana.sees(ana.direct_channel)] == ["psst"]
        with pytest.raises(LookupError):
            server.workspace.user("ben").sees(ana.direct_channel)
        nobody = api.conversations_open(users="U1")
        assert (await refusal(nobody))[0] == "user_not_found"


# -- messages ------------------------------------------------------------------------------------


async def test_texts_have_their_limits() -> None:
    async with slack() as server:
        api = client(server)
        channel = server.workspace.add_channel("inc-1", with_bot=True).id
        empty = api.api_call("chat.postMessage", json={"channel": channel, "text": ""})
        assert (await refusal(empty))[0] == "no_text"
        long = await api.chat_postMessage(channel=channel, text="x" * 40_001)
        assert len(long["message"]["text"]) == 40_000
        edit = api.chat_update(channel=channel, ts=long["ts"], text="x" * 4_001)
        assert (await refusal(edit))[0] == "msg_too_long"
        both = api.api_call(
            "chat.postMessage", json={"channel": channel, "text": "x", "markdown_text": "y"}
        )
        assert (await refusal(both))[0] == "markdown_text_conflict"


async def test_an_update_keeps_blocks_and_metadata_that_it_does_not_mention() -> None:
    async with slack() as server:
        api = client(server)
        channel = server.workspace.add_channel("inc-1", with_bot=True).id
        about = {"event_type": "card", "event_payload": {"id": "INC-1"}}
        posted = await api.chat_postMessage(
            channel=channel, text="x", blocks=[actions(button())], metadata=about
        )
        ts = posted["ts"]

        def now() -> Any:
            return next(m for m in server.workspace.messages("inc-1") if m.ts == ts)

        await api.chat_update(
            channel=channel, ts=ts, text="y", blocks=[{"type": "header", "text": plain("h")}]
        )
        assert (now().text, now().blocks[0]["type"], now().edited) == ("y", "header", False)
        await api.chat_update(channel=channel, ts=ts, text="only text")
        assert (now().text, now().blocks, now().edited) == ("only text", (), True)
        history = await api.conversations_history(channel=channel, include_all_metadata=True)
        assert history["messages"][0]["metadata"] == about
        bare = await api.conversations_history(channel=channel)
        assert "metadata" not in bare["messages"][0]
        await api.chat_update(channel=channel, ts=ts, text="z", metadata={})
        assert now().metadata is None


async def test_only_own_messages_can_be_changed_or_deleted() -> None:
    async with slack() as server:
        api = client(server)
        channel = server.workspace.add_channel("inc-1", with_bot=True).id
        theirs = server.workspace.user("ana").say("mine", channel="inc-1")
        edit = api.chat_update(channel=channel, ts=theirs.ts, text="x")
        assert (await refusal(edit))[0] == "cant_update_message"
        delete = api.chat_delete(channel=channel, ts=theirs.ts)
        assert (await refusal(delete))[0] == "cant_delete_message"
        gone = api.chat_update(channel=channel, ts="1.000001", text="x")
        assert (await refusal(gone))[0] == "message_not_found"
        own = await api.chat_postMessage(channel=channel, text="x")
        link = await api.chat_getPermalink(channel=channel, message_ts=own["ts"])
        assert own["ts"].replace(".", "") in link["permalink"]
        await api.chat_delete(channel=channel, ts=own["ts"])
        assert (await refusal(api.chat_delete(channel=channel, ts=own["ts"])))[0] == (
            "message_not_found"
        )


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ("{", "invalid_metadata_format"),
        ({"event_type": "x"}, "invalid_metadata_format"),
        ({"event_type": "x", "event_payload": {}, "more": 1}, "invalid_metadata_schema"),
        ({"event_type": "x", "event_payload": {"a": "x" * 20_000}}, "metadata_too_large"),
    ],
)
async def test_metadata_must_be_well_formed(metadata: Any, code: str) -> None:
    async with slack() as server:
        channel = server.workspace.add_channel("inc-1", with_bot=True).id
        post = client(server).chat_postMessage(channel=channel, text="x", metadata=metadata)
        assert (await refusal(post))[0] == code


async def test_replies_stay_in_their_thread_unless_broadcast() -> None:
    async with slack() as server:
        api = client(server)
        channel = server.workspace.add_channel("inc-1", members=[], with_bot=True).id
        parent = (await api.chat_postMessage(channel=channel, text="parent"))["ts"]
        await api.chat_postMessage(channel=channel, text="quiet", thread_ts=parent)
        await api.chat_postMessage(
            channel=channel, text="loud", thread_ts=parent, reply_broadcast=True
        )
        history = (await api.conversations_history(channel=channel))["messages"]
        assert [m["text"] for m in history][:2] == ["loud", "parent"]
        assert history[1]["reply_count"] == 2
        thread = (await api.conversations_replies(channel=channel, ts=parent))["messages"]
        assert [m["text"] for m in thread] == ["parent", "quiet", "loud"]
        since = await api.conversations_history(channel=channel, oldest=parent)
        assert [m["text"] for m in since["messages"]] == ["loud"]


async def test_ephemeral_messages_are_for_members_and_leave_no_history() -> None:
    async with slack() as server:
        api = client(server)
        channel = server.workspace.add_channel("inc-1", members=["ana"], with_bot=True).id
        await api.chat_postEphemeral(channel=channel, user="U0ANA000001", text="only you")
        stranger = api.chat_postEphemeral(channel=channel, user="U0BEN000002", text="x")
        assert (await refusal(stranger))[0] == "user_not_in_channel"
        assert server.workspace.user("ana").sees("inc-1")[-1].text == "only you"
        history = (await api.conversations_history(channel=channel))["messages"]
        assert "only you" not in [m["text"] for m in history]


# -- pins, bookmarks, reactions, files, canvases ---------------------------------------------------


async def test_pins_bookmarks_and_reactions() -> None:
    async with slack() as server:
        api = client(server)
        channel = server.workspace.add_channel("inc-1", with_bot=True).id
        ts = (await api.chat_postMessage(channel=channel, text="card"))["ts"]
        await api.pins_add(channel=channel, timestamp=ts)
        assert [m.text for m in server.workspace.pinned("inc-1")] == ["card"]
        for call, code in (
            (api.pins_add(channel=channel, timestamp=ts), "already_pinned"),
            (api.pins_add(channel=channel, timestamp="1.000001"), "message_not_found"),
            (api.pins_add(channel=channel, timestamp="soon"), "bad_timestamp"),
            (api.pins_add(channel=channel), "no_item_specified"),
        ):
            assert (await refusal(call))[0] == code
        assert len((await api.pins_list(channel=channel))["items"]) == 1
        await api.pins_remove(channel=channel, timestamp=ts)
        assert (await refusal(api.pins_remove(channel=channel, timestamp=ts)))[0] == "no_pin"

        def bookmark(**more: Any) -> Any:
            given = {"title": "Runbook", "type": "link", "link": "https://e.example/", **more}
            return api.bookmarks_add(channel_id=channel, **given)

        made = (await bookmark())["bookmark"]
        await api.bookmarks_edit(bookmark_id=made["id"], channel_id=channel, title="Plan")
        assert (await api.bookmarks_list(channel_id=channel))["bookmarks"][0]["title"] == "Plan"
        assert (await refusal(bookmark(type="note")))[0] == "invalid_bookmark_type"
        assert (await refusal(bookmark(link="here")))[0] == "invalid_link"
        await api.reactions_add(channel=channel, name="eyes", timestamp=ts)
        twice = api.reactions_add(channel=channel, name="eyes", timestamp=ts)
        assert (await refusal(twice))[0] == "already_reacted"


async def test_a_file_goes_up_in_three_steps_and_appears_in_the_channel() -> None:
    async with slack() as server:
        api = client(server)
        channel = server.workspace.add_channel("inc-1", with_bot=True).id
        answer = await api.files_upload_v2(
            channel=channel,
            filename="report.md",
            content="# Report",
            title="The report",
            initial_comment="Done",
        )
        message = server.workspace.messages("inc-1")[-1]
        assert (message.text, message.files[0]["title"]) == ("Done", "The report")
        assert server.workspace.files[0].content == b"# Report"
        shown = (await api.files_info(file=answer["file"]["id"]))["file"]
        assert shown["size"] == 8
        assert "📎 The report" in message.plain


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({"length": 0}, "missing_argument"),
        ({"length": 5, "alt_txt": "x" * 1001}, "alt_txt_too_large"),
        ({"length": 5, "snippet_type": "klingon"}, "unknown_snippet_type"),
        ({"length": 1_000_001, "snippet_type": "text"}, "snippet_too_large"),
    ],
)
async def test_an_upload_that_slack_refuses_is_refused(args: Json, code: str) -> None:
    async with slack() as server:
        call = client(server).files_getUploadURLExternal(filename="a.txt", **args)
        assert (await refusal(call))[0] == code


async def test_a_file_that_was_never_sent_cannot_be_shared() -> None:
    async with slack() as server:
        api = client(server)
        started = await api.files_getUploadURLExternal(filename="a.txt", length=5)
        done = api.files_completeUploadExternal(files=[{"id": started["file_id"], "title": "a"}])
        assert (await refusal(done))[0] == "file_not_found"


# aiohttp's client warns about the size of the very request that is to be refused.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_canvases_take_markdown_up_to_a_mebibyte_and_one_stands_in_a_channel() -> None:
    async with slack() as server:
        api = client(server)
        channel = server.workspace.add_channel("inc-1", with_bot=True).id
        text = {"type": "markdown", "markdown": "# Timeline"}
        made = await api.conversations_canvases_create(channel_id=channel, document_content=text)
        twice = api.conversations_canvases_create(channel_id=channel, document_content=text)
        assert (await refusal(twice))[0] == "channel_canvas_already_exists"
        change = {"operation": "insert_at_end", "document_content": text}
        await api.canvases_edit(canvas_id=made["canvas_id"], changes=[change])
        assert server.workspace.files[0].content == b"# Timeline\n# Timeline"
        large = {"type": "markdown", "markdown": "x" * (1024 * 1024 + 1)}
        too_large = api.canvases_create(title="x", document_content=large)
        assert (await refusal(too_large))[0] == "canvas_creation_failed"
        two = api.canvases_edit(canvas_id=made["canvas_id"], changes=[change, change])
        assert (await refusal(two))[0] == "invalid_arguments"
        server.workspace.policies.free_plan = True
        alone = api.canvases_create(title="x", document_content=text)
        assert (await refusal(alone))[0] == "free_teams_cannot_create_non_tabbed_canvases"
        assert (await refusal(api.usergroups_list()))[0] == "plan_upgrade_required"


async def test_people_are_found_by_address_and_id() -> None:
    async with slack() as server:
        api = client(server)
        found = (await api.users_lookupByEmail(email="BEN@example.com"))["user"]
        assert found["profile"]["title"] == "On-call Lead"
        nobody = api.users_lookupByEmail(email="x@example.com")
        assert (await refusal(nobody))[0] == "users_not_found"
        assert (await refusal(api.users_info(user="U1")))[0] == "user_not_found"
        members = (await api.users_list())["members"]
        assert [m["name"] for m in members if m["is_bot"]] == ["rollback"]
