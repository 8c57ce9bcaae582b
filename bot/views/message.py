"""A finished message, as the chat platform takes it."""

from __future__ import annotations

from typing import Any

from bot.domain.values import Value


class Message(Value):
    """Blocks, and the text that screen readers and notifications use in their place."""

    text: str
    blocks: tuple[dict[str, Any], ...]

    def payload(self) -> dict[str, Any]:
        """The arguments ``text`` and ``blocks`` of ``chat.postMessage``."""
        return {"text": self.text, "blocks": list(self.blocks)}
