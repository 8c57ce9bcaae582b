"""The payloads of commands and interactions."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from sandbox.slack.base.accounts import User
from sandbox.slack.base.inputs import KINDS, offered_options, state_values
from sandbox.slack.base.model import Channel, Json, Message, View
from sandbox.slack.base.world import World, message_object, user_reference, view_object


class Payloads:
    """Builds what the app receives; each carries a fresh trigger id."""

    def __init__(self, world: World, *, base_url: Callable[[], str]) -> None:
        self._world = world
        self._base_url = base_url

    def command(self, user: User, *, command: str, text: str, channel: Channel) -> Json:
        """A slash command: flat, as a form."""
        world = self._world
        direct = channel.kind in ("im", "mpim")
        return {
            "token": "",
            "team_id": world.team["id"],
            "team_domain": world.team["domain"],
            "channel_id": channel.id,
            "channel_name": "directmessage" if direct else channel.name,
            "user_id": user.id,
            "user_name": user.name,
            "command": command,
            "text": text,
            "api_app_id": world.app.app_id,
            "is_enterprise_install": "false",
            "response_url": self._response_url("commands", user, channel.id, None),
            "trigger_id": world.triggers.issue(user.id),
        }

    def message_action(self, user: User, message: Message, element: Json, state: Json) -> Json:
        """block_actions from a message. `element` carries what was pressed or chosen."""
        world = self._world
        channel = world.channels[message.channel]
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": message.ephemeral,
        }
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        shown = channel.messages.get(message.ts, message)
        return self._actions(user, element, world.triggers.issue(user.id), container) | {
            "channel": {"id": channel.id, "name": channel.name or "directmessage"},
            "message": message_object(world, shown),
            "state": {"values": state},
            "response_url": self._response_url("actions", user, channel.id, message.ts),
        }

    def view_action(self, user: User, view: View, element: Json) -> Json:
        """block_actions from a modal or a home tab."""
        trigger = self._world.triggers.issue(user.id, view_id=view.id)
        container = {"type": "view", "view_id": view.id}
        shown = view_object(self._world, view)
        actions = self._actions(user, element, trigger, container)
        return actions | {"view": shown, "state": shown["state"]}

    def submission(self, user: User, view: View) -> Json:
        """view_submission"""
        return self._base("view_submission", user) | {
            "trigger_id": self._world.triggers.issue(user.id, view_id=view.id),
            "view": view_object(self._world, view),
            "response_urls": [],
        }

    def closed(self, user: User, view: View, *, cleared: bool) -> Json:
        """view_closed"""
        shown = view_object(self._world, view)
        return self._base("view_closed", user) | {"view": shown, "is_cleared": cleared}

    def shortcut(self, user: User, callback_id: str) -> Json:
        """A global shortcut."""
        return self._base("shortcut", user) | {
            "callback_id": callback_id,
            "action_ts": self._world.next_ts(),
            "trigger_id": self._world.triggers.issue(user.id),
        }

    def message_shortcut(self, user: User, callback_id: str, message: Message) -> Json:
        """A shortcut in a message's menu."""
        channel = self._world.channels[message.channel]
        return self.shortcut(user, callback_id) | {
            "type": "message_action",
            "channel": {"id": channel.id, "name": channel.name or "directmessage"},
            "message": message_object(self._world, message),
            "message_ts": message.ts,
            "response_url": self._response_url("app", user, channel.id, message.ts),
        }

    def suggestion(self, user: User, view: View, block_id: str, action_id: str, value: str) -> Json:
        """block_suggestion: the options of an external select."""
        return self._base("block_suggestion", user) | {
            "action_id": action_id,
            "block_id": block_id,
            "value": value,
            "container": {"type": "view", "view_id": view.id},
            "view": view_object(self._world, view),
        }

    def acted(self, block: Json, element: Json, state: Json | None, picked: str | None) -> Json:
        """The entry of `actions`: what was pressed, with the value it now holds."""
        shown: Json = {
            "type": element["type"],
            "action_id": element["action_id"],
            "block_id": block["block_id"],
            "action_ts": self._world.next_ts(),
        }
        shown |= {k: element[k] for k in ("text", "value", "style", "url") if k in element}
        if element["type"] == "overflow":
            option = next(o for o in offered_options(element) if picked in _names(o))
            shown |= {"selected_option": option}
        if state is not None:
            key = KINDS[element["type"]].state_key
            shown |= {key: state[key]}
        return shown

    def message_state(self, message: Message) -> Json:
        """`state.values` of a message's inputs as they were sent."""
        return state_values(message.blocks, {})

    def _base(self, kind: str, user: User) -> Json:
        world = self._world
        return {
            "type": kind,
            "team": {"id": world.team["id"], "domain": world.team["domain"]},
            "enterprise": None,
            "is_enterprise_install": False,
            "user": user_reference(world, user),
            "api_app_id": world.app.app_id,
            "token": "",
        }

    def _actions(self, user: User, element: Json, trigger: str, container: Json) -> Json:
        return self._base("block_actions", user) | {
            "container": container,
            "trigger_id": trigger,
            "actions": [element],
        }

    def _response_url(self, kind: str, user: User, channel: str, ts: str | None) -> str:
        world = self._world
        key = (
            f"{world.team['id']}/{world.random.randrange(10**12)}/{world.random.getrandbits(96):x}"
        )
        world.response_urls.remember(key, user=user.id, channel=channel, message_ts=ts)
        return f"{self._base_url()}response/{kind}/{quote(key)}"


def _names(option: Json) -> tuple[str | None, str]:
    return option.get("value"), option["text"]["text"]
