"""chat.*: posting, changing and removing messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sandbox.slack.base.call import Call
from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Channel, Json, Message
from sandbox.slack.base.world import World
from sandbox.slack.blockkit.surfaces import check_message_blocks, normalise

TEXT_CUT = 40_000
EDIT_LIMIT = 4_000
ATTACHMENTS = 100
MARKDOWN_LIMIT = 12_000
METADATA_BYTES = 16_384
PUBLIC_SCOPE = "chat:write.public"
UNKNOWN_CONTENT = "This content can't be displayed."


def checked_blocks(world: World, blocks: Any) -> tuple[Json, ...]:
    """Blocks that Slack takes, as Slack keeps them."""
    if blocks is None:
        return ()
    check_message_blocks(blocks)
    return tuple(normalise(blocks, new_id=lambda: world.new_id("b")[:5]))


def content(call: Call) -> Json:
    """What a message says: text, blocks and attachments, refused where Slack refuses."""
    args = call.args
    blocks_given = args.structure("blocks", otherwise="invalid_blocks_format")
    attachments = checked_attachments(
        args.structure("attachments", otherwise="invalid_attachments")
    )
    text = args.text("text")[:TEXT_CUT]
    if markdown := args.text("markdown_text"):
        if text or blocks_given:
            raise SlackRefusal("markdown_text_conflict")
        if len(markdown) > MARKDOWN_LIMIT:
            raise SlackRefusal("msg_too_long")
        text = markdown
    blocks = checked_blocks(call.world, blocks_given)
    if not (text.strip() or blocks or attachments):
        raise SlackRefusal("no_text")
    return {
        "text": text or (UNKNOWN_CONTENT if blocks else ""),
        "blocks": blocks,
        "attachments": attachments,
    }


def checked_attachments(given: Any) -> tuple[Json, ...]:
    """Attachments, whose own blocks are held to the same rules."""
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise SlackRefusal("invalid_attachments")
    if len(given) > ATTACHMENTS:
        raise SlackRefusal("too_many_attachments")
    for item in given:
        if item.get("blocks"):
            check_message_blocks(item["blocks"])
    return tuple(given)


def metadata(call: Call) -> Json | None:
    """The message's metadata; an empty object takes it away."""
    given: Json | None = call.args.structure("metadata", otherwise="invalid_metadata_format")
    if given is None or given == {}:
        return given
    if not isinstance(given, dict) or not isinstance(given.get("event_type"), str):
        raise SlackRefusal("invalid_metadata_format")
    if set(given) - {"event_type", "event_payload", "entities"}:
        raise SlackRefusal("invalid_metadata_schema")
    if not isinstance(given.get("event_payload"), dict):
        raise SlackRefusal("invalid_metadata_format")
    if len(json.dumps(given).encode()) > METADATA_BYTES:
        raise SlackRefusal("metadata_too_large")
    return given


def _destination(call: Call) -> Channel:
    """A channel by id or name, or a person, whose direct conversation is then used."""
    wanted = call.args.text("channel")
    if wanted in call.world.users and wanted != call.bot:
        return call.world.direct_channel(call.bot, wanted)
    channel = call.channel(by_name=True)
    if channel.archived:
        raise SlackRefusal("is_archived")
    outside = call.bot not in channel.members
    if outside and not (channel.kind == "public" and PUBLIC_SCOPE in call.world.app.scopes):
        raise SlackRefusal("not_in_channel")
    return channel


def _thread(call: Call, channel: Channel) -> Json:
    thread_ts = call.args.text("thread_ts")
    if not thread_ts:
        return {}
    parent = channel.messages.get(thread_ts)
    # Slack posts into the channel when the parent is unknown; a reply's ts leads to its parent.
    if parent is None:
        return {}
    return {
        "thread_ts": parent.thread_ts or parent.ts,
        "broadcast": call.args.flag("reply_broadcast"),
    }


async def post_message(call: Call) -> Json:
    """chat.postMessage"""
    said = content(call)
    about = metadata(call)
    channel = _destination(call)
    message = call.world.add_message(
        channel,
        user=call.bot,
        bot_id=call.world.app.bot_id,
        metadata=about or None,
        username=call.args.text("username") or None,
        **said,
        **_thread(call, channel),
    )
    shown = call.world.message_object(message, with_metadata=True)
    return {"ok": True, "channel": channel.id, "ts": message.ts, "message": shown}


async def post_ephemeral(call: Call) -> Json:
    """chat.postEphemeral"""
    said = content(call)
    if len(said["text"]) >= TEXT_CUT:
        raise SlackRefusal("msg_too_long")
    channel = call.joined_channel(by_name=True)
    user = call.args.text("user")
    if user not in channel.members:
        raise SlackRefusal("user_not_in_channel")
    message = call.world.add_ephemeral(
        channel,
        user=call.bot,
        bot_id=call.world.app.bot_id,
        visible_to=user,
        **said,
        **_thread(call, channel),
    )
    return {"ok": True, "message_ts": message.ts}


def _own_message(call: Call, refusal: str) -> Message:
    channel = call.channel()
    message = call.message(channel, "ts")
    if message.bot_id != call.world.app.bot_id:
        raise SlackRefusal(refusal)
    return message


async def update(call: Call) -> Json:
    """chat.update: what is not given stays, except that new text alone takes the blocks away."""
    if len(call.args.text("text")) > EDIT_LIMIT:
        raise SlackRefusal("msg_too_long")
    said = content(call)
    about = metadata(call)
    message = _own_message(call, "cant_update_message")
    changed: Json = {"text": said["text"]} if "text" in call.args else {}
    if "blocks" in call.args or "text" in call.args or "markdown_text" in call.args:
        changed |= {"text": said["text"], "blocks": said["blocks"]}
    if "attachments" in call.args:
        changed["attachments"] = said["attachments"]
    if about is not None:
        changed["metadata"] = about or None
    if not changed.get("blocks"):  # Slack marks an edit only where the text is what people read
        changed["edited_ts"] = call.world.next_ts()
    message = call.world.replace_message(message, **changed)
    shown = call.world.message_object(message, with_metadata=True)
    return {
        "ok": True,
        "channel": message.channel,
        "ts": message.ts,
        "text": message.text,
        "message": shown,
    }


async def delete(call: Call) -> Json:
    """chat.delete"""
    message = _own_message(call, "cant_delete_message")
    call.world.remove_message(message)
    return {"ok": True, "channel": message.channel, "ts": message.ts}


async def get_permalink(call: Call) -> Json:
    """chat.getPermalink"""
    channel = call.channel()
    message = call.message(channel, "message_ts")
    link = f"https://{call.world.team['domain']}.slack.example/archives/{channel.id}"
    link += f"/p{message.ts.replace('.', '')}"
    if message.thread_ts and message.thread_ts != message.ts:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"ok": True, "channel": channel.id, "permalink": link}


def visible_history(messages: Sequence[Message]) -> list[Message]:
    """The messages of the channel itself: no replies but those also sent to the channel."""
    return [m for m in messages if m.thread_ts in (None, m.ts) or m.broadcast]
