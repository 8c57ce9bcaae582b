"""What server-side apply leaves behind: fields of other managers that a manifest does not name.

A new environment variable of the bad release would survive applying the old manifest, because
it belongs to whoever released it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.domain.ownership import FIELD_MANAGER
from bot.ports.cluster import Manifest

_TEMPLATE = ("f:spec", "f:template")


def without_leftovers(applied: Manifest) -> Manifest:
    """The pod template of an object that the bot has applied, with the bot's fields only.

    Defaults that somebody else owns are taken away too: the API server sets them again.
    """
    entries = [
        entry
        for entry in applied["metadata"].get("managedFields") or []
        if not entry.get("subresource")
    ]
    own = next(
        (
            _fields(entry)
            for entry in entries
            if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
        ),
        {},
    )
    template: Manifest = json.loads(json.dumps(applied["spec"]["template"]))
    for entry in entries:
        _prune(template, _fields(entry), own)
    return template


def _fields(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = entry.get("fieldsV1") or {}
    for step in _TEMPLATE:
        fields = fields.get(step) or {}
    return fields


def _prune(value: Any, fields: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Take out of ``value`` what is in ``fields`` and not in ``own`` (FieldsV1 notation)."""
    for step, inside in fields.items():
        kind, _, text = step.partition(":")
        if kind == "f" and isinstance(value, dict) and text in value:
            if step in own:
                _prune(value[text], inside, own[step])
            else:
                del value[text]
        elif kind in {"k", "v"} and isinstance(value, list):
            found = _item(value, kind, json.loads(text))
            if found is None:
                continue
            if step in own:
                _prune(value[found], inside, own[step])
            else:
                del value[found]


def _item(items: list[Any], kind: str, wanted: Any) -> int | None:
    """The place of an item by its keys (``k``) or by itself (``v``)."""
    for place, item in enumerate(items):
        same = item == wanted if kind == "v" else wanted.items() <= item.items()
        if same:
            return place
    return None
