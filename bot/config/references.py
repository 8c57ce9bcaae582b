"""How the catalog names people and channels."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_PERSON = re.compile(r"[UWS][A-Z0-9]{2,}|[^@\s]+@[^@\s]+\.[^@\s]+")
_CHANNEL = re.compile(r"[CG][A-Z0-9]{2,}|#?[a-z0-9][a-z0-9_-]{0,79}")


def _person(value: str) -> str:
    if not _PERSON.fullmatch(value):
        raise ValueError(
            f"“{value}” is neither a Slack user id (U…), a user group id (S…) nor an e-mail address"
        )
    return value


def _channel(value: str) -> str:
    if not _CHANNEL.fullmatch(value):
        raise ValueError(f"“{value}” is neither a Slack channel id (C…) nor a channel name")
    return value.removeprefix("#")


PersonRef = Annotated[str, AfterValidator(_person)]
"""A Slack user id (U…, W…), a user group id (S…) or an e-mail address."""
ChannelRef = Annotated[str, AfterValidator(_channel)]
"""A Slack channel id (C…, G…) or a channel's name."""
