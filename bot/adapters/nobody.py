"""The chat platform that is not there: for the commands that run without Slack."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.domain.values import Actor
from bot.errors import FeatureUnavailableError
from bot.ports.chat import Resolution, Room


class NoChat:
    """Implements ``bot.ports.chat.Chat`` with what the catalog alone can tell."""

    async def open_channel(self, name: str, *, since: datetime) -> Room:
        """There is nowhere to create a channel."""
        raise FeatureUnavailableError(
            f"#{name} could not be created, because this command runs without Slack.",
            "Invite the team by hand.",
        )

    async def resolve(self, references: Sequence[str]) -> Resolution:
        """People by the references themselves: only Slack knows names and members."""
        return Resolution(people=tuple(Actor(id=one, name=one) for one in references))

    async def addresses(self, people: Sequence[Actor]) -> dict[str, str]:
        """Of people whom the catalog names by their address; only Slack knows the others'."""
        return {person.id: person.id for person in people if "@" in person.id}
