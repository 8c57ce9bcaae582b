"""The parts of the chat platform that cannot be a delivery, because the answer is needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.domain.values import Actor, Value


class Room(Value):
    """A channel."""

    id: str
    name: str


class Resolution(Value):
    """The people behind references of the catalog."""

    people: tuple[Actor, ...]
    problems: tuple[str, ...] = ()
    """References that nobody could be found for, one sentence each."""


class Chat(Protocol):
    """Channels and people."""

    async def open_channel(self, name: str, *, since: datetime) -> Room:
        """Create a channel, or find it when an earlier attempt of ours, after ``since``, did.

        When the name belongs to somebody or something else, a number is added to it.
        Raises FeatureUnavailableError when the workspace does not let the bot create channels,
        TemporaryError when Slack does not answer.
        """

    async def resolve(self, references: Sequence[str]) -> Resolution:
        """People named by user id, user group id or e-mail address.

        Raises TemporaryError when Slack does not answer.
        """

    async def addresses(self, people: Sequence[Actor]) -> dict[str, str]:
        """E-mail addresses by the ids of those people whose address may be known.

        Raises TemporaryError when Slack does not answer.
        """
