"""What every event has in common."""

from __future__ import annotations

from pydantic import ConfigDict

from bot.domain.values import Value


class Event(Value):
    """A fact about one incident."""

    # A newer bot may have written fields that this one does not know.
    model_config = ConfigDict(frozen=True, extra="ignore")
