"""The state of one workspace, and the few rules that every part of it shares."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.slack.accounts import User, UserGroup
from sandbox.slack.changes import Changes
from sandbox.slack.errors import Refusal, SlackRefusal
from sandbox.slack.model import Channel, ChannelKind, Json, Message, StoredFile
from sandbox.slack.objects import message_object
from sandbox.slack.tickets import ResponseUrls, Triggers
from sandbox.slack.viewstack import ViewStacks

ID_ALPHABET = string.ascii_uppercase + string.digits
EventSink = Callable[[Json, "Channel | None"], None]


@dataclass(kw_only=True)
class Policies:
    """What the workspace's administrators and its plan allow."""

    members_may_create_channels: bool = True
    free_plan: bool = False


@dataclass(frozen=True, kw_only=True)
class AppIdentity:
    """The installed app: ids, tokens and what its manifest grants."""

    app_id: str
    bot_id: str
    bot_user_id: str
    scopes: tuple[str, ...]
    manifest: Mapping[str, Any] = field(repr=False)


class World:
    """One workspace with one installed app."""

    def __init__(
        self,
        *,
        app: AppIdentity,
        users: Iterable[User],
        groups: Sequence[UserGroup],
        clock: Callable[[], float],
        seed: int,
    ) -> None:
        self.random = random.Random(seed)
        self.clock = clock
        self.app = app
        self.team = {"id": "T0SANDBOX01", "name": "Sandbox", "domain": "sandbox"}
        self.policies = Policies()
        self.changes = Changes()
        self.users: dict[str, User] = {user.id: user for user in users}
        self.groups: dict[str, UserGroup] = {}
        self.channels: dict[str, Channel] = {}
        self.files: dict[str, StoredFile] = {}
        self.uploads: dict[str, Json] = {}
        self.triggers = Triggers(clock=clock, random=self.random)
        self.response_urls = ResponseUrls(clock=clock)
        self.views = ViewStacks(self)
        self.emit: EventSink = lambda _event, _channel: None
        self.refusals: list[Refusal] = []
        self._last_ts = 0
        for group in groups:
            self.add_group(group)

    # -- ids and time ----------------------------------------------------------------------

    def new_id(self, prefix: str) -> str:
        """An id as Slack makes them: a letter for the kind, then capitals and digits."""
        return f"{prefix}0" + "".join(self.random.choices(ID_ALPHABET, k=9))

    def now(self) -> int:
        """Whole seconds since the epoch, by the injected clock."""
        return int(self.clock())

    def next_ts(self) -> str:
        """A message id: seconds and microseconds, never the same twice."""
        self._last_ts = max(int(self.clock() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    # -- people and channels -------------------------------------------------------------

    def add_group(self, group: UserGroup) -> UserGroup:
        """Keep a user group; it gets an id when it has none."""
        kept = replace(
            group,
            id=group.id or self.new_id("S"),
            name=group.name or group.handle.replace("-", " "),
        )
        self.groups[kept.id] = kept
        return kept

    def add_channel(
        self, name: str, *, kind: ChannelKind, creator: str, members: Iterable[str]
    ) -> Channel:
        """Open a channel with these members; nobody is told."""
        prefix = {"im": "D", "mpim": "G"}.get(kind, "C")
        channel = Channel(
            id=self.new_id(prefix),
            name=name,
            kind=kind,
            creator=creator,
            created=self.now(),
            members=list(members),
        )
        self.channels[channel.id] = channel
        self.changes.fire()
        return channel

    def channel_named(self, name: str) -> Channel | None:
        """The channel with this name, archived ones included."""
        wanted = name.removeprefix("#")
        return next((c for c in self.channels.values() if c.name == wanted and wanted), None)

    def direct_channel(self, *users: str) -> Channel:
        """The direct conversation of exactly these users; it is opened when there is none."""
        members = list(dict.fromkeys(users))
        kind: ChannelKind = "im" if len(members) <= 2 else "mpim"
        for channel in self.channels.values():
            if channel.kind == kind and set(channel.members) == set(members):
                return channel
        return self.add_channel("", kind=kind, creator=members[0], members=members)

    def visible_channel(self, channel_id: str, *, viewer: str) -> Channel:
        """The channel, when `viewer` may know that it exists; otherwise channel_not_found."""
        channel = self.channels.get(channel_id)
        if channel is None or (channel.kind != "public" and viewer not in channel.members):
            raise SlackRefusal("channel_not_found")
        return channel

    def join(self, channel: Channel, user_id: str, *, inviter: str | None) -> None:
        """Make someone a member, with the join message and the event that go with it."""
        channel.members.append(user_id)
        self.add_message(
            channel,
            user=user_id,
            subtype="channel_join" if channel.kind == "public" else "group_join",
            text=f"<@{user_id}> has joined the channel",
        )
        event = {
            "type": "member_joined_channel",
            "user": user_id,
            "channel": channel.id,
            "channel_type": "C" if channel.kind == "public" else "G",
            "team": self.team["id"],
        }
        self.emit(event | ({"inviter": inviter} if inviter else {}), channel)

    # -- messages ------------------------------------------------------------------------

    def add_message(self, channel: Channel, *, user: str, **content: Any) -> Message:
        """Post into a channel and tell the app when it listens there."""
        message = Message(ts=self.next_ts(), channel=channel.id, user=user, **content)
        channel.messages[message.ts] = message
        self.changes.fire()
        self.emit(self.message_object(message), channel)
        return message

    def add_ephemeral(
        self, channel: Channel, *, user: str, visible_to: str, **content: Any
    ) -> Message:
        """Show a message to one person only. Slack keeps no history of these."""
        message = Message(
            ts=self.next_ts(), channel=channel.id, user=user, visible_to=visible_to, **content
        )
        channel.ephemerals[message.ts] = message
        self.changes.fire()
        return message

    def replace_message(self, message: Message, **content: Any) -> Message:
        """Put a changed copy in a message's place."""
        changed = replace(message, **content)
        channel = self.channels[message.channel]
        shelf = channel.ephemerals if message.ephemeral else channel.messages
        shelf[message.ts] = changed
        self.changes.fire()
        if not message.ephemeral:
            event = {
                "type": "message",
                "subtype": "message_changed",
                "hidden": True,
                "message": self.message_object(changed),
                "previous_message": self.message_object(message),
                "ts": self.next_ts(),
            }
            self.emit(event, channel)
        return changed

    def remove_message(self, message: Message) -> None:
        """Take a message away, with its pin."""
        channel = self.channels[message.channel]
        shelf = channel.ephemerals if message.ephemeral else channel.messages
        shelf.pop(message.ts, None)
        channel.pins.pop(message.ts, None)
        self.changes.fire()
        if not message.ephemeral:
            event = {
                "type": "message",
                "subtype": "message_deleted",
                "hidden": True,
                "deleted_ts": message.ts,
                "previous_message": self.message_object(message),
                "ts": self.next_ts(),
            }
            self.emit(event, channel)

    def message_object(self, message: Message, *, with_metadata: bool = False) -> Json:
        """The message as the Web API and the payloads show it."""
        return message_object(self, message, with_metadata=with_metadata)

    def note(self, where: str, refusal: SlackRefusal) -> None:
        """Remember that something of the app's was refused."""
        self.refusals.append(
            Refusal(where=where, code=refusal.code, messages=tuple(refusal.messages))
        )

    def names(self) -> dict[str, str]:
        """Every id that text can mention, with its readable name."""
        people = {user.id: user.name for user in self.users.values()}
        places = {channel.id: channel.name for channel in self.channels.values() if channel.name}
        groups = {group.id: group.handle for group in self.groups.values()}
        return people | places | groups
