"""conversations.members, .invite and .join: who is in a channel."""

from __future__ import annotations

from sandbox.slack.base.call import Call
from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Channel, Json
from sandbox.slack.methods.conversations import channel_answer

INVITES = 100


async def members(call: Call) -> Json:
    """conversations.members"""
    return call.page(list(call.channel().members), key="members")


def _invitation_problem(call: Call, channel: Channel, user_id: str) -> str | None:
    user = call.world.users.get(user_id)
    if user is None or user.deleted:
        return "user_not_found"
    if user_id == call.bot:
        return "cant_invite_self"
    return "already_in_channel" if user_id in channel.members else None


async def invite(call: Call) -> Json:
    """conversations.invite: all or nobody, unless `force`."""
    channel = call.joined_channel()
    if channel.kind == "im":
        raise SlackRefusal("method_not_supported_for_channel_type")
    wanted = list(dict.fromkeys(call.args.items("users")))
    if not wanted:
        raise SlackRefusal("no_user")
    if len(wanted) > INVITES:
        raise SlackRefusal("invalid_arguments", f"[ERROR] no more than {INVITES} users allowed")
    problems = {u: p for u in wanted if (p := _invitation_problem(call, channel, u))}
    errors: list[Json] = [{"user": u, "ok": False, "error": p} for u, p in problems.items()]
    welcome = [u for u in wanted if u not in problems]
    if problems and not (call.args.flag("force") and welcome):
        raise SlackRefusal(errors[0]["error"], errors=errors)
    for user_id in welcome:
        call.world.join(channel, user_id, inviter=call.bot)
    return channel_answer(call, channel) | ({"errors": errors} if errors else {})


async def join(call: Call) -> Json:
    """conversations.join: public channels only."""
    channel = call.channel()
    if channel.kind != "public":
        raise SlackRefusal("method_not_supported_for_channel_type")
    if channel.archived:
        raise SlackRefusal("is_archived")
    if call.bot in channel.members:
        already = {"warning": "already_in_channel"}
        return (
            channel_answer(call, channel)
            | already
            | {"response_metadata": {"warnings": ["already_in_channel"]}}
        )
    call.world.join(channel, call.bot, inviter=None)
    return channel_answer(call, channel)
