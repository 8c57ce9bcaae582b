"""The order of a list after a merge (`normalizeElementOrder` of strategicpatch)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def ordered(
    merged: list[Any], wanted: list[Any], stood: list[Any], identity: Callable[[Any], Any]
) -> list[Any]:
    """Named items in the `wanted` order, the others where they stood among them.

    `wanted` and `stood` are identities. Where no position can be compared, the named item goes
    first.
    """
    ours = sorted(
        (item for item in merged if identity(item) in wanted),
        key=lambda item: wanted.index(identity(item)),
    )
    theirs = [item for item in merged if identity(item) not in wanted]
    result: list[Any] = []
    while ours and theirs:
        left, right = identity(theirs[0]), identity(ours[0])
        left_first = left in stood and right in stood and stood.index(left) < stood.index(right)
        result.append(theirs.pop(0) if left_first else ours.pop(0))
    return [*result, *theirs, *ours]
