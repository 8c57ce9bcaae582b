"""What hangs on a channel or a message: pins, bookmarks, reactions."""

from __future__ import annotations

import re
from dataclasses import replace

from sandbox.slack.base.call import Call
from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Channel, Json, Message

PINS = 100
BOOKMARKS = 100
EMOJI = re.compile(r":?[a-z0-9_+'-]+:?")


def _pinnable(call: Call) -> tuple[Channel, Message]:
    channel = call.channel()
    if call.bot not in channel.members:
        raise SlackRefusal("not_in_channel")
    if "timestamp" not in call.args:
        raise SlackRefusal("no_item_specified")
    if not re.fullmatch(r"\d+\.\d+", call.args.text("timestamp")):
        raise SlackRefusal("bad_timestamp")
    return channel, call.message(channel, "timestamp")


async def add_pin(call: Call) -> Json:
    """pins.add"""
    channel, message = _pinnable(call)
    if message.ts in channel.pins:
        raise SlackRefusal("already_pinned")
    if len(channel.pins) >= PINS:
        raise SlackRefusal("too_many_pins")
    channel.pins[message.ts] = {"created": call.world.now(), "created_by": call.bot}
    call.world.changes.fire()
    return {"ok": True}


async def remove_pin(call: Call) -> Json:
    """pins.remove"""
    channel, message = _pinnable(call)
    if channel.pins.pop(message.ts, None) is None:
        raise SlackRefusal("no_pin")
    call.world.changes.fire()
    return {"ok": True}


async def list_pins(call: Call) -> Json:
    """pins.list"""
    channel = call.channel()
    items = [
        pin
        | {
            "type": "message",
            "channel": channel.id,
            "message": call.world.message_object(channel.messages[ts]),
        }
        for ts, pin in channel.pins.items()
    ]
    return {"ok": True, "items": items}


def _bookmarked(call: Call) -> Channel:
    channel = call.channel("channel_id")
    if call.bot not in channel.members:
        raise SlackRefusal("channel_not_found")
    return channel


def _check_bookmark(call: Call) -> None:
    link, emoji = call.args.text("link"), call.args.text("emoji")
    if link and not re.fullmatch(r"https?://\S+", link):
        raise SlackRefusal("invalid_link")
    if emoji and not EMOJI.fullmatch(emoji):
        raise SlackRefusal("invalid_emoji")


async def add_bookmark(call: Call) -> Json:
    """bookmarks.add: a link is the one type that an app may add here."""
    channel = _bookmarked(call)
    if call.args.text("type") != "link":
        raise SlackRefusal("invalid_bookmark_type")
    if not call.args.text("link"):
        raise SlackRefusal("invalid_link")
    _check_bookmark(call)
    if len(channel.bookmarks) >= BOOKMARKS:
        raise SlackRefusal("too_many_bookmarks")
    bookmark: Json = {
        "id": call.world.new_id("Bk"),
        "channel_id": channel.id,
        "title": call.args.text("title"),
        "link": call.args.text("link"),
        "emoji": call.args.text("emoji"),
        "type": "link",
        "entity_id": None,
        "date_created": call.world.now(),
        "date_updated": 0,
        "rank": str(len(channel.bookmarks)),
        "last_updated_by_user_id": call.bot,
        "last_updated_by_team_id": call.world.team["id"],
        "app_id": call.world.app.app_id,
    }
    channel.bookmarks[bookmark["id"]] = bookmark
    call.world.changes.fire()
    return {"ok": True, "bookmark": bookmark}


async def edit_bookmark(call: Call) -> Json:
    """bookmarks.edit"""
    channel = _bookmarked(call)
    bookmark = channel.bookmarks.get(call.args.text("bookmark_id"))
    if bookmark is None:
        raise SlackRefusal("not_found")
    _check_bookmark(call)
    given = {n: call.args.text(n) for n in ("title", "link", "emoji") if n in call.args}
    bookmark |= given | {"date_updated": call.world.now()}
    call.world.changes.fire()
    return {"ok": True, "bookmark": bookmark}


async def list_bookmarks(call: Call) -> Json:
    """bookmarks.list"""
    return {"ok": True, "bookmarks": list(_bookmarked(call).bookmarks.values())}


async def add_reaction(call: Call) -> Json:
    """reactions.add"""
    channel = call.channel()
    if channel.archived:
        raise SlackRefusal("is_archived")
    if call.bot not in channel.members:
        raise SlackRefusal("no_access")
    name = call.args.text("name").strip(":")
    if not EMOJI.fullmatch(name):
        raise SlackRefusal("invalid_name")
    message = call.message(channel, "timestamp")
    if (name, call.bot) in message.reactions:
        raise SlackRefusal("already_reacted")
    channel.messages[message.ts] = replace(
        message, reactions=(*message.reactions, (name, call.bot))
    )
    call.world.changes.fire()
    return {"ok": True}
