"""One object by its name, for steps that wait for what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence

from bot.errors import WorldMovedError
from bot.ports.cluster import Kind, Manifest
from strategies.waiting import Selection


def named(kind: Kind, namespace: str, name: str) -> Selection:
    """This object and no other."""
    return Selection(kind=kind, namespace=namespace, fields=f"metadata.name={name}")


def the_one(found: Sequence[Manifest], what: object) -> Manifest:
    """The object that was looked for; raises WorldMovedError when it is gone."""
    if not found:
        raise WorldMovedError(f"{what} was deleted.", "Plan again.")
    return found[0]
