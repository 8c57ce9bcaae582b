"""One Web API call, as a method sees it."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.slack.base.arguments import Arguments
from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Channel, ChannelKind, Json, Message
from sandbox.slack.base.specs import ANY, MethodSpec
from sandbox.slack.base.world import World


@dataclass(frozen=True, kw_only=True)
class Call:
    """Arguments, the workspace, and the checks that many methods share."""

    world: World
    spec: MethodSpec
    args: Arguments
    base_url: str

    @property
    def bot(self) -> str:
        """The user id of the app's bot."""
        return self.world.app.bot_user_id

    def needs_scope(self, kind: ChannelKind) -> None:
        """Refuse with missing_scope when the app may not use this method on such a channel."""
        needed = self.spec.scopes.get(kind, self.spec.scopes.get(ANY, ()))
        if needed and not set(needed) & set(self.world.app.scopes):
            raise missing_scope(needed, self.world.app.scopes)

    def channel(self, name: str = "channel", *, by_name: bool = False) -> Channel:
        """The channel that an argument names, when the bot can see it."""
        wanted = self.args.text(name)
        named = self.world.channel_named(wanted) if by_name else None
        channel = self.world.visible_channel(named.id if named else wanted, viewer=self.bot)
        self.needs_scope(channel.kind)
        return channel

    def joined_channel(self, name: str = "channel", *, by_name: bool = False) -> Channel:
        """The same; the bot must also be a member and the channel alive."""
        channel = self.channel(name, by_name=by_name)
        if channel.archived:
            raise SlackRefusal("is_archived")
        if self.bot not in channel.members:
            raise SlackRefusal("not_in_channel")
        return channel

    def message(self, channel: Channel, name: str) -> Message:
        """The message whose `ts` an argument gives."""
        message = channel.messages.get(self.args.text(name))
        if message is None:
            raise SlackRefusal("message_not_found")
        return message

    def page(self, rows: list[Json] | list[str], *, key: str, default: int = 100) -> Json:
        """One page of `rows`, with the cursor of the next."""
        limit = self.args.integer("limit", default)
        if not 1 <= limit <= 1000:
            raise SlackRefusal("invalid_limit")
        start = read_cursor(self.args.text("cursor"), len(rows))
        end = start + limit
        return {
            "ok": True,
            key: rows[start:end],
            "response_metadata": {"next_cursor": write_cursor(end) if end < len(rows) else ""},
        }


def write_cursor(position: int) -> str:
    """An opaque cursor for the row at `position`."""
    return f"cursor:{position:08d}="


def read_cursor(cursor: str, rows: int) -> int:
    """The position that a cursor stands for; refuses what Slack did not hand out."""
    if not cursor:
        return 0
    digits = cursor.removeprefix("cursor:").removesuffix("=")
    if not digits.isdecimal() or int(digits) > rows or cursor != write_cursor(int(digits)):
        raise SlackRefusal("invalid_cursor")
    return int(digits)


def missing_scope(needed: tuple[str, ...], provided: tuple[str, ...]) -> SlackRefusal:
    """The refusal that names the scopes asked for and those granted."""
    return SlackRefusal("missing_scope", needed=",".join(needed), provided=",".join(provided))
