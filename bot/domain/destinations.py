"""Where messages go, as people know it."""

from __future__ import annotations

from typing import Any

from bot.registry import Registry

DESTINATIONS: Registry[Any] = Registry("destinations", "kind of destination")
"""Each is a ``bot.ports.destinations.DestinationKind``."""


def label_of(destination: str) -> str:
    """A destination as people know it: a channel by its name or id, others with their kind."""
    kind, _, name = destination.partition(":")
    noun = DESTINATIONS.get(kind).noun if kind in DESTINATIONS.names else kind
    return f"{noun} {name}".lstrip()
