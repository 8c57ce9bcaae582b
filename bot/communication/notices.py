"""A message that belongs to no event: the same to several channels, each once."""

from __future__ import annotations

from collections.abc import Iterable

from bot.communication.blocks import Message
from bot.store.delivery import Action, Delivery


def notices(identity: str, message: Message, channels: Iterable[str]) -> list[Delivery]:
    """One delivery a channel.

    ``identity`` is the same whoever owes it and however often: it is said once, even if the owing
    is repeated after a crash or another process looks at the same time.
    """
    return [
        Delivery(
            id=f"{identity}/{channel}",
            destination=f"slack:{channel}",
            action=Action.POST,
            payload=message.payload(),
        )
        for channel in channels
    ]
