"""One person at their Slack client: what they see, type and click."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sandbox.slack.base.accounts import User
from sandbox.slack.base.inputs import entered
from sandbox.slack.base.model import Channel, Json, Message, View
from sandbox.slack.base.world import World
from sandbox.slack.delivery.dispatch import Ack, Dispatcher, Payload
from sandbox.slack.delivery.payloads import Payloads
from sandbox.slack.people.composer import Composer
from sandbox.slack.people.form import Surface, dispatches, find_action, find_input
from sandbox.slack.people.modal import Modal
from sandbox.slack.people.results import ActionResult, CommandResult, SubmitResult

T = TypeVar("T")


class Person:
    """Does what a person does, through the same payloads that Slack sends."""

    def __init__(
        self, user_id: str, *, world: World, dispatcher: Dispatcher, payloads: Payloads
    ) -> None:
        self.id = user_id
        self._world = world
        self._dispatcher = dispatcher
        self._payloads = payloads
        self._modal = Modal(user_id, world=world, dispatcher=dispatcher, payloads=payloads)
        self._composer = Composer(user_id, world=world, dispatcher=dispatcher, payloads=payloads)

    @property
    def user(self) -> User:
        """Who this is."""
        return self._world.users[self.id]

    @property
    def name(self) -> str:
        """The short name, as in `@ana`."""
        return self.user.name

    # -- seeing --------------------------------------------------------------------------------

    @property
    def view(self) -> View | None:
        """The modal on top, or None."""
        return self._world.views.top(self.id)

    @property
    def home(self) -> View | None:
        """The app's home tab as last published for this person."""
        return self._world.views.home(self.id)

    @property
    def direct_channel(self) -> Channel:
        """The direct conversation with the app."""
        return self._world.direct_channel(self._world.app.bot_user_id, self.id)

    def sees(self, channel: Channel | str = "general") -> list[Message]:
        """What the person sees in a channel, oldest first: messages and own ephemerals."""
        place = self._place(channel)
        own = [m for m in place.ephemerals.values() if m.visible_to == self.id]
        return sorted([*place.messages.values(), *own], key=lambda m: m.ts)

    async def wait_for(self, predicate: Callable[[], T | None], timeout: float = 5.0) -> T:  # noqa: ASYNC109
        """The first truthy value of `predicate`, asked at every change of state.

        Raises TimeoutError after `timeout` seconds.
        """
        return await self._world.changes.wait_for(predicate, timeout=timeout)

    # -- speaking --------------------------------------------------------------------------------

    async def command(self, text: str, *, channel: Channel | str = "general") -> CommandResult:
        """Type a slash command, such as `/rollback checkout`, and read the answer."""
        return await self._composer.command(text, self._member_place(channel))

    def say(
        self, text: str, *, channel: Channel | str = "general", thread_ts: str | None = None
    ) -> Message:
        """Post a message. The app hears it when it subscribed; a mention is an event of its own."""
        return self._composer.say(text, self._member_place(channel), thread_ts=thread_ts)

    def join(self, channel: Channel | str) -> None:
        """Enter a public channel."""
        place = self._place(channel)
        if self.id not in place.members:
            self._world.join(place, self.id, inviter=None)

    def open_home(self, tab: str = "home") -> View | None:
        """Look at the app's home; the app hears app_home_opened."""
        event: Json = {
            "type": "app_home_opened",
            "user": self.id,
            "channel": self.direct_channel.id,
            "tab": tab,
        }
        if self.home is not None and tab == "home":
            event["view"] = self._world.views.to_api(self.home)
        self._world.emit(event, None)
        return self.home

    async def shortcut(self, callback_id: str, *, message: Message | None = None) -> ActionResult:
        """Run a global shortcut, or one from a message's menu. LookupError when undeclared."""
        features = self._world.app.manifest.get("features") or {}
        declared = [row["callback_id"] for row in features.get("shortcuts") or ()]
        if callback_id not in declared:
            raise LookupError(f"the manifest has no shortcut {callback_id}, but {declared}")
        if message is None:
            body = self._payloads.shortcut(self.user, callback_id)
        else:
            body = self._payloads.message_shortcut(self.user, callback_id, message)
        return _result(await self._interact(body))

    # -- clicking --------------------------------------------------------------------------------

    async def press(
        self,
        surface: Surface,
        action_id: str,
        *,
        value: str | None = None,
        label: str | None = None,
        confirm: bool = True,
    ) -> ActionResult:
        """Press a button by its action_id or the beginning of it.

        `surface` may be an old copy of a message: then a stale button is pressed, as happens when
        two people click at once. With `confirm=False` the person backs out of the confirmation.
        Raises LookupError when no such button is there.
        """
        block, element = find_action(surface, action_id, value=value, label=label)
        if "confirm" in element and not confirm:
            return ActionResult(sent=False)
        acted = self._payloads.acted(block, element, None, value)
        return _result(await self._interact(self._action(surface, acted, {})))

    async def choose(
        self, action_id: str, value: Any, *, surface: Surface | None = None
    ) -> ActionResult:
        """Pick in a select, a menu, a date picker and so on; the app hears it when it asked to.

        Without a surface, in the modal on top. An option goes by its value or its label.
        """
        place = surface or self._open_view()
        block, element = find_action(place, action_id)
        if element["type"] == "overflow":
            acted = self._payloads.acted(block, element, None, value)
            return _result(await self._interact(self._action(place, acted, {})))
        if isinstance(place, View):
            return await self._enter(place, block, element, value)
        state = entered(element, value)
        held = self._payloads.message_state(place)
        held[block["block_id"]] = {element["action_id"]: state}
        acted = self._payloads.acted(block, element, state, None)
        return _result(await self._interact(self._action(place, acted, held)))

    # -- modals ----------------------------------------------------------------------------------

    async def fill(self, values: Mapping[str, Any]) -> None:
        """Type into the modal on top. Keys are block_ids, action_ids or labels."""
        for key, value in values.items():
            view = self._open_view()
            block, element = find_input(view, key)
            await self._enter(view, block, element, value)

    async def submit(self) -> SubmitResult:
        """Submit the modal on top, and follow the app's `response_action`."""
        return await self._modal.submit(self._open_view())

    async def fill_and_submit(self, values: Mapping[str, Any] | None = None) -> SubmitResult:
        """`fill`, then `submit`."""
        await self.fill(values or {})
        return await self.submit()

    async def close(self, *, everything: bool = False) -> None:
        """Close the modal on top, or all of them; the app hears it when it asked to."""
        await self._modal.close(everything=everything)

    # -- helpers ---------------------------------------------------------------------------------

    async def _enter(self, view: View, block: Json, element: Json, value: Any) -> ActionResult:
        if element["type"].endswith("external_select"):
            value = await self._modal.suggested(view, block, element, value)
        state = entered(element, value)
        self._world.views.type_into(view, (block["block_id"], element["action_id"]), state)
        if not dispatches(block):
            return ActionResult()
        acted = self._payloads.acted(block, element, state, None)
        return _result(await self._interact(self._action(view, acted, {})))

    def _action(self, surface: Surface, acted: Json, state: Json) -> Json:
        if isinstance(surface, View):
            return self._payloads.view_action(self.user, surface, acted)
        return self._payloads.message_action(
            self.user, surface, acted, state or self._payloads.message_state(surface)
        )

    async def _interact(self, body: Json) -> Ack:
        return await self._dispatcher.deliver(Payload(kind="interactive", body=body))

    def _open_view(self) -> View:
        if self.view is None:
            raise LookupError(f"{self.name} has no modal open")
        return self.view

    def _place(self, channel: Channel | str) -> Channel:
        if isinstance(channel, Channel):
            found: Channel | None = channel
        else:
            found = self._world.channels.get(channel) or self._world.channel_named(channel)
        if found is None or (found.kind != "public" and self.id not in found.members):
            raise LookupError(f"{self.name} cannot see a channel {channel}")
        return found

    def _member_place(self, channel: Channel | str) -> Channel:
        place = self._place(channel)
        if self.id not in place.members or place.archived:
            raise LookupError(f"{self.name} cannot write in #{place.name}")
        return place


def _result(ack: Ack) -> ActionResult:
    return ActionResult(status=ack.status, error=ack.error)
