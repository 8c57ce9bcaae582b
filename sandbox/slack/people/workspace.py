"""The workspace as its people and its administrator see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from sandbox.slack.base.accounts import User, UserGroup
from sandbox.slack.base.model import Channel, Message, StoredFile, View, render
from sandbox.slack.base.world import Policies, World
from sandbox.slack.delivery.dispatch import Dispatcher
from sandbox.slack.delivery.payloads import Payloads
from sandbox.slack.people.person import Person

T = TypeVar("T")


class Workspace:
    """Channels, people and policies; people do things through `Person`."""

    def __init__(self, world: World, dispatcher: Dispatcher, payloads: Payloads) -> None:
        self._world = world
        people = [user for user in world.users.values() if not user.is_bot]
        self._people = {
            user.name: Person(user.id, world=world, dispatcher=dispatcher, payloads=payloads)
            for user in people
        }
        self._dispatcher = dispatcher
        self._payloads = payloads
        general = world.add_channel(
            "general",
            kind="public",
            creator=people[0].id if people else world.app.bot_user_id,
            members=[user.id for user in people],
        )
        general.is_general = True

    @property
    def policies(self) -> Policies:
        """What the administrators allow; may be changed at any time."""
        return self._world.policies

    @property
    def channels(self) -> list[Channel]:
        """Every channel, archived ones included."""
        return list(self._world.channels.values())

    @property
    def files(self) -> list[StoredFile]:
        """Every shared file and canvas."""
        return list(self._world.files.values())

    @property
    def people(self) -> list[Person]:
        """Everyone but the bot."""
        return list(self._people.values())

    def user(self, name: str) -> Person:
        """The person with this name or user id. Raises LookupError."""
        for person in self._people.values():
            if name in (person.name, person.id):
                return person
        raise LookupError(f"nobody is called {name}; there are {', '.join(self._people)}")

    def channel(self, name_or_id: str) -> Channel:
        """The channel with this name or id. Raises LookupError."""
        found = self._world.channels.get(name_or_id) or self._world.channel_named(name_or_id)
        if found is None:
            raise LookupError(f"there is no channel {name_or_id}")
        return found

    def add_user(self, user: User) -> Person:
        """Let someone into the workspace and #general."""
        self._world.users[user.id] = user
        person = Person(
            user.id, world=self._world, dispatcher=self._dispatcher, payloads=self._payloads
        )
        self._people[user.name] = person
        self.channel("general").members.append(user.id)
        return person

    def add_group(self, handle: str, *members: str) -> UserGroup:
        """Make a user group of these people, by name."""
        ids = tuple(self.user(name).id for name in members)
        return self._world.add_group(UserGroup(handle, ids))

    def add_channel(
        self,
        name: str,
        *,
        members: Iterable[str] | None = None,
        private: bool = False,
        with_bot: bool = False,
    ) -> Channel:
        """Make a channel with these people, by name; without a list, with everyone."""
        people = self.people if members is None else [self.user(name) for name in members]
        ids = [person.id for person in people]
        channel = self._world.add_channel(
            name,
            kind="private" if private else "public",
            creator=ids[0] if ids else self._world.app.bot_user_id,
            members=ids,
        )
        if with_bot:
            self.add_bot(channel)
        return channel

    def add_bot(self, channel: Channel | str) -> None:
        """Invite the app's bot, as a person would with /invite."""
        place = channel if isinstance(channel, Channel) else self.channel(channel)
        bot = self._world.app.bot_user_id
        if bot not in place.members:
            self._world.join(place, bot, inviter=place.creator)

    def remove_bot(self, channel: Channel | str) -> None:
        """Take the app's bot out, as a person would with /remove."""
        place = channel if isinstance(channel, Channel) else self.channel(channel)
        place.members.remove(self._world.app.bot_user_id)
        self._world.changes.fire()

    def archive(self, channel: Channel | str) -> None:
        """Close a channel, as a person would."""
        place = channel if isinstance(channel, Channel) else self.channel(channel)
        place.archived = True
        self._world.changes.fire()
        event = {"type": "channel_archive", "channel": place.id, "user": place.creator}
        self._world.emit(event, place)

    def messages(self, channel: Channel | str) -> list[Message]:
        """Everything posted to a channel, oldest first, without what only one person sees."""
        place = channel if isinstance(channel, Channel) else self.channel(channel)
        return sorted(place.messages.values(), key=lambda m: m.ts)

    def pinned(self, channel: Channel | str) -> list[Message]:
        """The pinned messages of a channel."""
        place = channel if isinstance(channel, Channel) else self.channel(channel)
        return [place.messages[ts] for ts in place.pins]

    def render(self, shown: Message | View) -> str:
        """Readable text, with names for ids and every ping made visible."""
        return render(shown, names=self._world.names())

    async def wait_for(self, predicate: Callable[[], T | None], timeout: float = 5.0) -> T:  # noqa: ASYNC109
        """The first truthy value of `predicate`, asked at every change of state.

        Raises TimeoutError after `timeout` seconds.
        """
        return await self._world.changes.wait_for(predicate, timeout=timeout)
