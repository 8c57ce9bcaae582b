"""Marks of a deploy freeze on the live system, where CI can read them."""

from __future__ import annotations

from typing import Protocol

from bot.config.catalog import ServiceEntry
from bot.domain.freeze import Freeze, MarkedObject
from bot.ports.world import World


class Freezer(Protocol):
    """Writes and takes away marks; both repeat harmlessly and start no rollout."""

    async def objects(
        self, service: ServiceEntry, strategy: str, world: World
    ) -> tuple[MarkedObject, ...]:
        """What a deployment of the service changes, as far as this strategy knows it.

        Empty where nothing of that kind exists, as behind a feature flag: the freeze then stands
        in the bot alone. Raises what reading the live system raises.
        """

    async def mark(self, marked: MarkedObject, freeze: Freeze, world: World) -> None:
        """Write the mark, over an older one; raises what the ports raise."""

    async def unmark(self, marked: MarkedObject, freeze: Freeze, world: World) -> None:
        """Take exactly this freeze's mark away; harmless when it is gone or another one's."""
