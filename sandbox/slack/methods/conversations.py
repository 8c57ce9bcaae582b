"""conversations.*: channels and who is in them."""

from __future__ import annotations

import re

from sandbox.slack.base.call import Call
from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Channel, ChannelKind, Json

NAME_LENGTH = 80
TOPIC_LENGTH = 250
DIRECT_MEMBERS = 8
KINDS: dict[str, ChannelKind] = {
    "public_channel": "public",
    "private_channel": "private",
    "im": "im",
    "mpim": "mpim",
}


def channel_answer(call: Call, channel: Channel) -> Json:
    return {"ok": True, "channel": channel.to_api(viewer=call.bot)}


def _free_name(call: Call, name: str) -> str:
    """A channel name that Slack would take: 1–80 of a–z, 0–9, hyphen and underscore."""
    if len(name) > NAME_LENGTH:
        raise SlackRefusal("invalid_name_maxlength")
    if not re.fullmatch(r"[\w-]+", name) or name != name.lower():
        raise SlackRefusal("invalid_name_specials")
    if not re.search(r"[^\W_]", name):
        raise SlackRefusal("invalid_name_punctuation")
    if call.world.channel_named(name) is not None:  # archived channels keep their names
        raise SlackRefusal("name_taken")
    return name


async def create(call: Call) -> Json:
    """conversations.create: the bot creates, and is in it."""
    private = call.args.flag("is_private")
    call.needs_scope("private" if private else "public")
    if not call.world.policies.members_may_create_channels:
        raise SlackRefusal("restricted_action")
    channel = call.world.add_channel(
        _free_name(call, call.args.text("name")),
        kind="private" if private else "public",
        creator=call.bot,
        members=(),
    )
    call.world.join(channel, call.bot, inviter=None)
    if channel.kind == "public":
        described = {"id": channel.id, "name": channel.name, "created": channel.created}
        event = {"type": "channel_created", "channel": described | {"creator": call.bot}}
        call.world.emit(event, channel)
    return channel_answer(call, channel)


async def info(call: Call) -> Json:
    """conversations.info"""
    count = call.args.flag("include_num_members")
    return {"ok": True, "channel": call.channel().to_api(viewer=call.bot, members=count)}


async def list_channels(call: Call) -> Json:
    """conversations.list"""
    asked = call.args.items("types") or ["public_channel"]
    if any(kind not in KINDS for kind in asked):
        raise SlackRefusal("invalid_types")
    kinds = {KINDS[kind] for kind in asked}
    for kind in sorted(kinds):
        call.needs_scope(kind)
    alive_only = call.args.flag("exclude_archived")
    rows = [
        channel.to_api(viewer=call.bot, members=True)
        for channel in call.world.channels.values()
        if channel.kind in kinds
        and not (channel.archived and alive_only)
        and (channel.kind == "public" or call.bot in channel.members)
    ]
    return call.page(rows, key="channels")


async def open_direct(call: Call) -> Json:
    """conversations.open: a direct conversation with one to eight people."""
    if "channel" in call.args:
        channel = call.channel()
        if channel.kind not in ("im", "mpim"):
            raise SlackRefusal("method_not_supported_for_channel_type")
        return {"ok": True, "channel": {"id": channel.id}}
    wanted = call.args.items("users")
    if not wanted:
        raise SlackRefusal("users_list_not_supplied")
    if len(wanted) > DIRECT_MEMBERS:
        raise SlackRefusal("too_many_users")
    if any(user not in call.world.users for user in wanted):
        raise SlackRefusal("user_not_found")
    if any(call.world.users[user].deleted for user in wanted):
        raise SlackRefusal("user_disabled")
    call.needs_scope("im" if len(wanted) == 1 else "mpim")
    before = len(call.world.channels)
    channel = call.world.direct_channel(call.bot, *wanted)
    known = len(call.world.channels) == before
    whole = call.args.flag("return_im")
    shown = channel.to_api(viewer=call.bot) if whole else {"id": channel.id}
    return {"ok": True, "no_op": known, "already_open": known, "channel": shown}


async def rename(call: Call) -> Json:
    """conversations.rename: only what the bot itself created."""
    channel = call.joined_channel()
    if channel.kind in ("im", "mpim"):
        raise SlackRefusal("method_not_supported_for_channel_type")
    if channel.creator != call.bot:
        raise SlackRefusal("not_authorized")
    name = _free_name(call, call.args.text("name"))
    channel.previous_names.insert(0, channel.name)
    channel.name = name
    call.world.add_message(
        channel, user=call.bot, subtype="channel_name", text=f"has renamed the channel to {name!r}"
    )
    return channel_answer(call, channel)


async def _set_note(call: Call, name: str) -> Json:
    channel = call.joined_channel()
    value = call.args.text(name)
    if len(value) > TOPIC_LENGTH:
        raise SlackRefusal("too_long")
    note = {"value": value, "creator": call.bot, "last_set": call.world.now()}
    setattr(channel, name, note)
    call.world.add_message(
        channel, user=call.bot, subtype=f"channel_{name}", text=f"set the channel {name}: {value}"
    )
    return channel_answer(call, channel)


async def set_topic(call: Call) -> Json:
    """conversations.setTopic"""
    return await _set_note(call, "topic")


async def set_purpose(call: Call) -> Json:
    """conversations.setPurpose"""
    return await _set_note(call, "purpose")


async def archive(call: Call) -> Json:
    """conversations.archive"""
    channel = call.channel()
    if channel.archived:
        raise SlackRefusal("already_archived")
    if channel.is_general:
        raise SlackRefusal("cant_archive_general")
    if channel.kind in ("im", "mpim"):
        raise SlackRefusal("method_not_supported_for_channel_type")
    if call.bot not in channel.members:
        raise SlackRefusal("not_in_channel")
    channel.archived = True
    call.world.changes.fire()
    event = {"type": "channel_archive", "channel": channel.id, "user": call.bot}
    call.world.emit(event, channel)
    return {"ok": True}


async def unarchive(call: Call) -> Json:
    """conversations.unarchive"""
    channel = call.channel()
    if not channel.archived:
        raise SlackRefusal("not_archived")
    if call.bot not in channel.members:
        raise SlackRefusal("not_in_channel")
    channel.archived = False
    call.world.changes.fire()
    event = {"type": "channel_unarchive", "channel": channel.id, "user": call.bot}
    call.world.emit(event, channel)
    return {"ok": True}
