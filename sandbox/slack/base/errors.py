"""How Slack says no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Something of the app's that Slack did not take: a call, an acknowledgement, a response.

    `where` is a method's name, or the kind of thing that was answered.
    """

    where: str
    code: str
    messages: tuple[str, ...] = ()


class SlackRefusal(Exception):  # noqa: N818 - a refusal is an answer of the protocol, not a fault of ours
    """An answer `{"ok": false, "error": code}`; `messages` go to `response_metadata`."""

    def __init__(self, code: str, *messages: str, **extra: Any) -> None:
        super().__init__(code, *messages)
        self.code = code
        self.messages = list(messages)
        self.extra = extra

    def to_api(self) -> dict[str, Any]:
        """The JSON body that the caller reads."""
        body: dict[str, Any] = {"ok": False, "error": self.code, **self.extra}
        if self.messages:
            body["response_metadata"] = {"messages": self.messages}
        return body
