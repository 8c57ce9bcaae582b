"""Which events the app hears, and how they are wrapped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.slack.base.model import Channel, Json
from sandbox.slack.base.scopes import BOT_EVENTS
from sandbox.slack.base.world import World
from sandbox.slack.delivery.dispatch import Dispatcher, Payload

MESSAGE_EVENTS = {"public": "channels", "private": "groups", "im": "im", "mpim": "mpim"}
CHANNEL_TYPES = {"public": "channel", "private": "group", "im": "im", "mpim": "mpim"}
HEARD_FROM_OUTSIDE = frozenset(
    {"channel_archive", "channel_created", "channel_unarchive", "app_home_opened"}
)


class EventFeed:
    """Turns what happens in the workspace into event_callback payloads."""

    def __init__(self, world: World, dispatcher: Dispatcher) -> None:
        self._world = world
        self._dispatcher = dispatcher
        settings: Mapping[str, Any] = world.app.manifest.get("settings") or {}
        subscriptions = settings.get("event_subscriptions") or {}
        self._subscribed = frozenset(subscriptions.get("bot_events") or ())

    def emit(self, event: Json, channel: Channel | None) -> None:
        """Tell the app, when it subscribed, has the scope and is in the channel."""
        name = self._subscription(event, channel)
        if name not in self._subscribed or not self._granted(name):
            return
        bot = self._world.app.bot_user_id
        if channel is not None and name not in HEARD_FROM_OUTSIDE and bot not in channel.members:
            return
        stamp = event.get("ts") or self._world.next_ts()
        body = {"event_ts": stamp, **event}
        if event["type"] == "message" and channel is not None:
            body |= {"channel": channel.id, "channel_type": CHANNEL_TYPES[channel.kind]}
        self._dispatcher.publish(
            Payload(kind="events_api", body=self._wrap(body), accepts_response=False)
        )

    def _subscription(self, event: Json, channel: Channel | None) -> str:
        if event["type"] != "message" or channel is None:
            return str(event["type"])
        return f"message.{MESSAGE_EVENTS[channel.kind]}"

    def _granted(self, name: str) -> bool:
        needed = BOT_EVENTS.get(name, ())
        return not needed or bool(set(needed) & set(self._world.app.scopes))

    def _wrap(self, event: Json) -> Json:
        world = self._world
        return {
            "token": "",
            "team_id": world.team["id"],
            "context_team_id": world.team["id"],
            "api_app_id": world.app.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": world.new_id("Ev"),
            "event_time": world.now(),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": world.team["id"],
                    "user_id": world.app.bot_user_id,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
        }
