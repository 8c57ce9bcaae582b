"""conversations.history and conversations.replies."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.slack.base.call import Call
from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Channel, Json, Message
from sandbox.slack.methods.chat import visible_history


def _readable(call: Call) -> Channel:
    channel = call.channel()
    if call.bot not in channel.members:
        raise SlackRefusal("not_in_channel")
    return channel


def _bound(call: Call, name: str) -> float | None:
    given = call.args.text(name)
    if not given:
        return None
    try:
        return float(given)
    except ValueError as error:
        raise SlackRefusal(f"invalid_ts_{name}") from error


def _within(call: Call, messages: Iterable[Message]) -> list[Message]:
    oldest, latest = _bound(call, "oldest"), _bound(call, "latest")
    inclusive = call.args.flag("inclusive")

    def inside(message: Message) -> bool:
        ts = float(message.ts)
        if inclusive and ts in (oldest, latest):
            return True
        return (oldest is None or ts > oldest) and (latest is None or ts < latest)

    return [message for message in messages if inside(message)]


def _answer(call: Call, messages: list[Message]) -> Json:
    with_metadata = call.args.flag("include_all_metadata")
    rows = [call.world.message_object(m, with_metadata=with_metadata) for m in messages]
    page = call.page(rows, key="messages")
    return page | {"has_more": bool(page["response_metadata"]["next_cursor"])}


async def history(call: Call) -> Json:
    """conversations.history: the newest first."""
    channel = _readable(call)
    messages = _within(call, visible_history(list(channel.messages.values())))
    return _answer(call, sorted(messages, key=lambda m: m.ts, reverse=True)) | {
        "pin_count": len(channel.pins)
    }


async def replies(call: Call) -> Json:
    """conversations.replies: the parent, then the replies, the oldest first."""
    channel = _readable(call)
    wanted = channel.messages.get(call.args.text("ts"))
    if wanted is None:
        raise SlackRefusal("thread_not_found")
    root = wanted.thread_ts or wanted.ts
    parent = [m for m in channel.messages.values() if m.ts == root]
    rest = [m for m in channel.messages.values() if m.thread_ts == root and m.ts != root]
    return _answer(call, [*parent, *_within(call, rest)])
