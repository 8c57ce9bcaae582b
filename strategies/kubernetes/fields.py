"""Changes of single fields of an object, as JSON Patch (RFC 6902)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from bot.domain.values import Value
from bot.ports.cluster import Manifest


class FieldChange(Value):
    """One field, before and after; None means that it is not there."""

    path: tuple[str, ...]
    old: JsonValue
    new: JsonValue

    @property
    def undone(self) -> FieldChange:
        """The way back."""
        return FieldChange(path=self.path, old=self.new, new=self.old)


def field_at(manifest: Manifest, path: Sequence[str]) -> Any:
    """The field's value; None where it, or anything above it, is not there."""
    value: Any = manifest
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def operations(manifest: Manifest, fields: Sequence[FieldChange]) -> list[Manifest]:
    """The JSON Patch that makes the changes, without any test."""
    made: list[Manifest] = []
    seen: set[tuple[str, ...]] = set()
    for field in fields:
        for end in range(1, len(field.path)):
            parent = field.path[:end]
            if field_at(manifest, parent) is None and field.new is not None and parent not in seen:
                seen.add(parent)
                made.append({"op": "add", "path": _pointer(parent), "value": {}})
        if field.new is not None:
            made.append({"op": "add", "path": _pointer(field.path), "value": field.new})
        elif field_at(manifest, field.path) is not None:
            made.append({"op": "remove", "path": _pointer(field.path)})
    return made


def guarded(manifest: Manifest, fields: Sequence[FieldChange]) -> list[Manifest]:
    """The same behind tests of the old values, for a command that is pasted later."""
    tests = [
        {"op": "test", "path": _pointer(field.path), "value": field.old}
        for field in fields
        if field.old is not None
    ]
    return [*tests, *operations(manifest, fields)]


def with_fields(manifest: Manifest, fields: Sequence[FieldChange]) -> Manifest:
    """The object as it is after the changes."""
    changed: Manifest = json.loads(json.dumps(manifest))
    for field in fields:
        place = changed
        for key in field.path[:-1]:
            place = place.setdefault(key, {})
        place.pop(field.path[-1], None)
        if field.new is not None:
            place[field.path[-1]] = field.new
    return changed


def _pointer(path: Sequence[str]) -> str:
    """RFC 6901."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)
