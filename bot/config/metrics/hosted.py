"""What all monitoring systems have in common that are asked over the network."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl

from bot.config.durations import Duration
from bot.domain.values import Value


def _without_secrets(url: AnyHttpUrl) -> AnyHttpUrl:
    if url.username or url.password:
        raise ValueError(
            "leave user name and password out of the URL, which messages show; name the "
            "environment variables that hold them"
        )
    return url


ServerUrl = Annotated[AnyHttpUrl, AfterValidator(_without_secrets)]
"""Base of an API, with a path in front where it has one."""


class Hosted(Value):
    """A system that learns of a request some time after it."""

    delay: Duration | None = None
    """So long after a moment its figures are complete; asked earlier, the bot waits."""

    @property
    def late_by(self) -> timedelta:
        """How old the newest complete figures are."""
        return self.delay or timedelta(0)
