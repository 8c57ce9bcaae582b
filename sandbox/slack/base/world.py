"""The state of one workspace, and the few rules that every part of it shares."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.slack.base.accounts import User, UserGroup
from sandbox.slack.base.changes import Changes
from sandbox.slack.base.errors import Refusal, SlackRefusal
from sandbox.slack.base.inputs import state_values, stateful_elements
from sandbox.slack.base.model import Channel, ChannelKind, Json, Message, StoredFile, View
from sandbox.slack.base.tickets import ResponseUrls, Triggers

# The objects of Slack's answers and payloads.


def message_object(world: World, message: Message, *, with_metadata: bool = False) -> Json:
    """A message as conversations.history and the payloads show it."""
    shown: Json = {"type": "message", "ts": message.ts, "user": message.user, "text": message.text}
    if message.subtype:
        shown["subtype"] = message.subtype
    if message.bot_id:
        shown |= {
            "bot_id": message.bot_id,
            "app_id": world.app.app_id,
            "team": world.team["id"],
            "bot_profile": {
                "id": message.bot_id,
                "app_id": world.app.app_id,
                "name": world.users[world.app.bot_user_id].name,
                "deleted": False,
                "team_id": world.team["id"],
            },
        }
    for name in ("blocks", "attachments", "files"):
        if items := getattr(message, name):
            shown[name] = list(items)
    if message.thread_ts:
        shown["thread_ts"] = message.thread_ts
    if message.edited_ts:
        shown["edited"] = {"user": message.user, "ts": message.edited_ts}
    if message.reactions:
        shown["reactions"] = _reactions(message)
    if with_metadata and message.metadata:
        shown["metadata"] = message.metadata
    return shown | _thread_summary(world, message)


def _reactions(message: Message) -> list[Json]:
    names = dict.fromkeys(name for name, _user in message.reactions)
    by_name = {name: [user for n, user in message.reactions if n == name] for name in names}
    return [{"name": n, "users": users, "count": len(users)} for n, users in by_name.items()]


def _thread_summary(world: World, message: Message) -> Json:
    channel = world.channels[message.channel]
    replies = [m for m in channel.messages.values() if m.thread_ts == message.ts != m.ts]
    if not replies:
        return {}
    people = list(dict.fromkeys(m.user for m in replies))
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users": people,
        "reply_users_count": len(people),
        "latest_reply": replies[-1].ts,
    }


def view_object(world: World, view: View) -> Json:
    """A view as views.* and the payloads show it, with the state of its inputs."""
    empty: Json = {"private_metadata": "", "callback_id": "", "external_id": "", "title": None}
    body = empty | {"submit": None, "close": None} | view.body
    return body | {
        "id": view.id,
        "team_id": world.team["id"],
        "state": {"values": state_values(view.blocks, world.views.typed.get(view.id, {}))},
        "hash": view.hash,
        "clear_on_close": bool(view.body.get("clear_on_close", False)),
        "notify_on_close": bool(view.body.get("notify_on_close", False)),
        "submit_disabled": bool(view.body.get("submit_disabled", False)),
        "root_view_id": view.root_id,
        "previous_view_id": view.previous_id,
        "app_id": world.app.app_id,
        "app_installed_team_id": world.team["id"],
        "bot_id": world.app.bot_id,
    }


def user_reference(world: World, user: User) -> Json:
    """The `user` of an interaction payload."""
    return {
        "id": user.id,
        "username": user.name,
        "name": user.name,
        "team_id": world.team["id"],
    }


def file_object(world: World, stored: StoredFile, *, base_url: str) -> Json:
    """The `file` object; `url_private` needs the bot's token and files:read."""
    extension = stored.name.rsplit(".", 1)[-1].lower() if "." in stored.name else "text"
    shown: Json = {
        "id": stored.id,
        "created": stored.created,
        "timestamp": stored.created,
        "name": stored.name,
        "title": stored.title,
        "mimetype": "application/octet-stream",
        "filetype": stored.snippet_type or extension,
        "mode": "snippet" if stored.snippet_type else stored.mode,
        "user": world.app.bot_user_id,
        "user_team": world.team["id"],
        "size": len(stored.content),
        "is_public": bool(stored.channels),
        "channels": list(stored.channels),
        "url_private": f"{base_url}files-pri/{stored.id}/{stored.name}",
        "url_private_download": f"{base_url}files-pri/{stored.id}/download/{stored.name}",
        "permalink": f"https://{world.team['domain']}.slack.example/files/{stored.id}",
    }
    if stored.alt_text:
        shown["alt_txt"] = stored.alt_text
    return shown


# Modals are a stack of up to three; every person also has one home tab.

STACK_LIMIT = 3

InputKey = tuple[str, str]  # block_id, action_id


class ViewStacks:
    """Every open view, and what people typed into them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stacks: dict[str, list[View]] = {}
        self._homes: dict[str, View] = {}
        self.typed: dict[str, dict[InputKey, Json]] = {}

    def stack(self, user: str) -> list[View]:
        """The person's modals, the top one last."""
        return list(self._stacks.get(user, []))

    def top(self, user: str) -> View | None:
        """The modal that the person looks at."""
        stack = self._stacks.get(user)
        return stack[-1] if stack else None

    def home(self, user: str) -> View | None:
        """The home tab last published for the person."""
        return self._homes.get(user)

    def find(self, *, view_id: str | None = None, external_id: str | None = None) -> View:
        """An open view or home tab; refuses with not_found when it is gone."""
        for view in self._all():
            if view_id is not None and view.id == view_id:
                return view
            if external_id is not None and view.body.get("external_id") == external_id:
                return view
        raise SlackRefusal("not_found")

    def open(self, user: str, body: Json) -> View:
        """Show a new modal; it takes the place of whatever was open."""
        self._check_external_id(body)
        self.clear(user)
        return self._put(user, body, root=None, previous=None)

    def push(self, user: str, body: Json) -> View:
        """Put a modal on top of the stack."""
        stack = self._stacks.get(user, [])
        if not stack:
            raise SlackRefusal("not_found")
        if len(stack) >= STACK_LIMIT:
            raise SlackRefusal("push_limit_reached")
        self._check_external_id(body)
        return self._put(user, body, root=stack[0].root_id, previous=stack[-1].id)

    def update(self, view: View, body: Json, *, hash_: str | None) -> View:
        """Replace a view's content; what people typed stays where the ids are the same."""
        if hash_ is not None and hash_ != view.hash:
            raise SlackRefusal("hash_conflict")
        self._check_external_id(body, besides=view)
        self._keep_inputs(view, body)
        changed = replace(view, body=body, hash=self._hash())
        if view.type == "home":
            self._homes[view.user] = changed
        else:
            stack = self._stacks[view.user]
            stack[stack.index(view)] = changed
        self._world.changes.fire()
        return changed

    def publish(self, user: str, body: Json, *, hash_: str | None) -> View:
        """Set the person's home tab."""
        current = self._homes.get(user)
        if current is not None:
            return self.update(current, body, hash_=hash_)
        self._check_external_id(body)
        view_id = self._world.new_id("V")
        view = View(id=view_id, user=user, body=body, hash=self._hash(), root_id=view_id)
        self._homes[user] = view
        self._world.changes.fire()
        return view

    def pop(self, user: str) -> View | None:
        """Close the top modal."""
        stack = self._stacks.get(user)
        view = stack.pop() if stack else None
        if view is not None:
            self.typed.pop(view.id, None)
            self._world.changes.fire()
        return view

    def clear(self, user: str) -> list[View]:
        """Close every modal of the person, the top one first."""
        closed = list(reversed(self._stacks.pop(user, [])))
        for view in closed:
            self.typed.pop(view.id, None)
        if closed:
            self._world.changes.fire()
        return closed

    def type_into(self, view: View, key: InputKey, state: Json) -> None:
        """Remember what a person put into an input."""
        self.typed.setdefault(view.id, {})[key] = state
        self._world.changes.fire()

    def to_api(self, view: View) -> Json:
        """The `view` object of answers and payloads, with the state of its inputs."""
        return view_object(self._world, view)

    def _keep_inputs(self, view: View, body: Json) -> None:
        """An input that stays keeps its value, and a new `initial_value` is not looked at."""
        held = state_values(view.blocks, self.typed.get(view.id, {}))
        kept = {
            (block["block_id"], element["action_id"]): state
            for block, element in stateful_elements(body["blocks"])
            if (state := held.get(block["block_id"], {}).get(element["action_id"]))
            and state["type"] == element["type"]
        }
        self.typed[view.id] = kept

    def _put(self, user: str, body: Json, *, root: str | None, previous: str | None) -> View:
        view_id = self._world.new_id("V")
        view = View(
            id=view_id,
            user=user,
            body=body,
            hash=self._hash(),
            root_id=root or view_id,
            previous_id=previous,
        )
        self._stacks.setdefault(user, []).append(view)
        self._world.changes.fire()
        return view

    def _all(self) -> list[View]:
        return [v for stack in self._stacks.values() for v in stack] + list(self._homes.values())

    def _check_external_id(self, body: Json, *, besides: View | None = None) -> None:
        external_id: Any = body.get("external_id")
        if not external_id:
            return
        for view in self._all():
            if view.body.get("external_id") == external_id and (
                besides is None or view.id != besides.id
            ):
                raise SlackRefusal("duplicate_external_id")

    def _hash(self) -> str:
        return f"{self._world.now()}.{self._world.random.getrandbits(32):08x}"


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
