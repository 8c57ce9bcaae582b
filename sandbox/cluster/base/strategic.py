"""Strategic merge patch, after apimachinery `pkg/util/strategicpatch/patch.go`."""

from __future__ import annotations

from typing import Any

from sandbox.cluster.base.errors import bad_request
from sandbox.cluster.base.merge_schema import Node
from sandbox.cluster.base.ordering import ordered
from sandbox.cluster.base.patches import rejected
from sandbox.cluster.base.types import Manifest, clone

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"
ELEMENT_ORDER = "$setElementOrder/"


def strategic_merge(original: Manifest, patch: Any, schema: Node) -> Manifest:
    """The original with the patch merged in; 400 or 422 when the patch is malformed."""
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: the patch must be a JSON object")
    return _merge_map(clone(original), clone(patch), schema)


def _merge_map(original: Manifest, patch: Manifest, node: Node) -> Manifest:
    directive = patch.pop(DIRECTIVE, "merge")
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    if directive != "merge":
        raise bad_request(f"unknown patch type: {directive} in map: {patch}")
    _retain_keys(original, patch)
    _delete_primitives(original, patch)
    _merge_ordered_lists(original, patch, node)
    for key, value in patch.items():
        if value is None:
            original.pop(key, None)
        else:
            original[key] = _merge_value(original.get(key), value, node.child(key))
    return original


def _merge_value(original: Any, patch: Any, node: Node) -> Any:
    if isinstance(patch, dict):
        return _merge_map(original if isinstance(original, dict) else {}, patch, node)
    if isinstance(patch, list):
        return _merge_list(original if isinstance(original, list) else [], patch, node)
    return patch


def _retain_keys(original: Manifest, patch: Manifest) -> None:
    retained = patch.pop(RETAIN_KEYS, None)
    if retained is None:
        return
    given = {key for key, value in patch.items() if value is not None and not key.startswith("$")}
    if not isinstance(retained, list) or not given <= set(retained):
        raise bad_request("invalid patch format of retainKeys")
    for key in [key for key in original if key not in retained]:
        del original[key]


def _delete_primitives(original: Manifest, patch: Manifest) -> None:
    for key in [key for key in patch if key.startswith(DELETE_PRIMITIVES)]:
        unwanted, field = patch.pop(key), key.removeprefix(DELETE_PRIMITIVES)
        if not isinstance(unwanted, list):
            raise bad_request("invalid patch format of primitive list")
        if isinstance(original.get(field), list):
            original[field] = [value for value in original[field] if value not in unwanted]


def _merge_ordered_lists(original: Manifest, patch: Manifest, node: Node) -> None:
    for key in [key for key in patch if key.startswith(ELEMENT_ORDER)]:
        order, field = patch.pop(key), key.removeprefix(ELEMENT_ORDER)
        if not isinstance(order, list):
            raise bad_request("invalid patch format of setElementOrder list")
        child = node.child(field)
        before = original.get(field) or []
        changes = patch.pop(field, None)
        if changes is None and not before:
            continue
        merged = before if changes is None else _merge_list(before, changes, child)
        original[field] = _ordered(merged, order, before, child.merge_key)


def _merge_list(original: list[Any], patch: list[Any], node: Node) -> list[Any]:
    maps = any(isinstance(item, dict) for item in patch)
    if node.primitives and not maps:
        merged = list(dict.fromkeys([*original, *patch]))
        return _ordered(merged, patch, original, "")
    if not node.merge_key:
        return [_without_directives(item) for item in patch]
    if not all(isinstance(item, dict) for item in patch):
        raise rejected()
    return _merge_keyed_list(original, patch, node)


def _merge_keyed_list(
    original: list[Manifest], patch: list[Manifest], node: Node
) -> list[Manifest]:
    key = node.merge_key
    if any(item.get(DIRECTIVE) == "replace" for item in patch):
        return [item for item in patch if item.get(DIRECTIVE) != "replace"]
    kept, changes = list(original), []
    for item in patch:
        if item.get(DIRECTIVE) == "delete":
            kept = [other for other in kept if other.get(key) != _key(item, key)]
        else:
            changes.append(item)
    merged = list(kept)
    for item in changes:
        value = _key(item, key)
        place = next((at for at, other in enumerate(merged) if other.get(key) == value), None)
        if place is None:
            merged.append(_merge_map({}, item, node.item))
        else:
            merged[place] = _merge_map(merged[place], item, node.item)
    return _ordered(merged, changes, original, key)


def _key(item: Manifest, key: str) -> Any:
    if key not in item:
        raise rejected()
    return item[key]


def _without_directives(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_directives(item)
            for key, item in value.items()
            if key != DIRECTIVE and item is not None
        }
    return value


def _ordered(merged: list[Any], wanted: list[Any], before: list[Any], key: str) -> list[Any]:
    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    return ordered(
        merged, [identity(item) for item in wanted], [identity(item) for item in before], identity
    )
