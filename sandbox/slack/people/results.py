"""What a person notices after an action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Message


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """The answer to a slash command. `error` is Slack's word for a failure."""

    status: int | None
    body: Any
    message: Message | None = None
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the app acknowledged in time with something that Slack takes."""
        return self.error is None


@dataclass(frozen=True, kw_only=True)
class ActionResult:
    """What came of a click. `sent` is False when the person backed out of the confirmation."""

    sent: bool = True
    status: int | None = None
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the app acknowledged in time."""
        return self.sent and self.error is None


@dataclass(frozen=True, kw_only=True)
class SubmitResult:
    """What came of a submission. `errors`: block_id → text under that input.

    `by_client`: Slack's own client refused, so the app never heard of it.
    """

    errors: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    by_client: bool = False
    response_action: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the view was taken."""
        return not self.errors and self.error is None


def refusal_words(refusal: SlackRefusal) -> str:
    """A refusal of something in an acknowledgement, for the person's result."""
    return ": ".join([refusal.code, *refusal.messages])
