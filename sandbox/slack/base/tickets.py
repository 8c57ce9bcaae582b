"""Things that Slack hands out for a short time: trigger ids and response URLs."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.slack.base.errors import SlackRefusal

TRIGGER_LIFETIME = 3.0  # seconds; docs.slack.dev/interactivity, "trigger_id"
RESPONSE_URL_LIFETIME = 30 * 60.0  # seconds
RESPONSE_URL_USES = 5


@dataclass(kw_only=True)
class Trigger:
    """The right to open one view for one person, for three seconds."""

    user: str
    issued: float
    view_id: str | None
    exchanged: bool = False


class Triggers:
    """Issues trigger ids and lets each be used once."""

    def __init__(self, *, clock: Callable[[], float], random: random.Random) -> None:
        self._clock = clock
        self._random = random
        self._issued: dict[str, Trigger] = {}

    def issue(self, user: str, *, view_id: str | None = None) -> str:
        """A new trigger id for something that `user` just did, perhaps inside a view."""
        first, second = self._random.randrange(10**12, 10**13), self._random.randrange(10**11)
        trigger_id = f"{first}.{second}.{self._random.getrandbits(128):032x}"
        self._issued[trigger_id] = Trigger(user=user, issued=self._clock(), view_id=view_id)
        return trigger_id

    def exchange(self, trigger_id: str) -> Trigger:
        """Use a trigger id up. Refuses unknown, old and used ones with Slack's codes."""
        trigger = self._issued.get(trigger_id)
        if trigger is None:
            raise SlackRefusal("invalid_trigger_id")
        if self._clock() - trigger.issued > TRIGGER_LIFETIME:
            raise SlackRefusal("expired_trigger_id")
        if trigger.exchanged:
            raise SlackRefusal("exchanged_trigger_id")
        trigger.exchanged = True
        return trigger


@dataclass(kw_only=True)
class ResponseTarget:
    """Where a response URL leads: the person who acted, and the message that they acted on."""

    user: str
    channel: str
    issued: float
    message_ts: str | None = None
    uses: int = 0


class ResponseUrls:
    """Remembers what each response URL is good for."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._targets: dict[str, ResponseTarget] = {}

    def remember(self, key: str, *, user: str, channel: str, message_ts: str | None = None) -> None:
        """Open a response URL; `key` is the secret part of its path."""
        self._targets[key] = ResponseTarget(
            user=user, channel=channel, issued=self._clock(), message_ts=message_ts
        )

    def use(self, key: str) -> ResponseTarget:
        """Count one use. Refuses after five uses or thirty minutes."""
        target = self._targets.get(key)
        if target is None:
            raise SlackRefusal("invalid_url")
        if self._clock() - target.issued > RESPONSE_URL_LIFETIME:
            raise SlackRefusal("expired_url")
        if target.uses >= RESPONSE_URL_USES:
            raise SlackRefusal("used_url")
        target.uses += 1
        return target
