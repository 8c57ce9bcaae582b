"""Where messages go, as people know it."""

from __future__ import annotations

_KINDS = {"statuspage": "status page", "webhook": "webhook", "email": "e-mail"}


def label_of(destination: str) -> str:
    """A destination as people know it: a channel by its name or id, others with their kind."""
    kind, _, name = destination.partition(":")
    return name if kind == "slack" else f"{_KINDS.get(kind, kind)} {name}"
