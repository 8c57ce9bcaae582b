"""Sets of fields as `managedFields` records them (fieldsV1).

A path is a tuple of fieldsV1 steps: `f:spec`, `k:{"name":"web"}` for a keyed list item,
`v:"x"` for a member of a set. See sigs.k8s.io/structured-merge-diff `fieldpath`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from sandbox.cluster.base.merge_schema import Node
from sandbox.cluster.base.types import Manifest

Path: TypeAlias = tuple[str, ...]

_MEMBER = object()
# Set by the server or part of the object's identity: nobody manages these.
_UNMANAGED: frozenset[Path] = frozenset(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",)]
    + [
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "managedFields",
        )
    ]
)


def leaves(obj: Manifest, schema: Node) -> dict[Path, Any]:
    """Every field somebody can manage, with its value."""
    found: dict[Path, Any] = {}
    _collect(obj, schema, (), found)
    return {path: value for path, value in found.items() if not _is_unmanaged(path)}


def _is_unmanaged(path: Path) -> bool:
    return path[:1] in _UNMANAGED - {("f:metadata",)} or path[:2] in _UNMANAGED


def _collect(value: Any, node: Node, path: Path, found: dict[Path, Any]) -> None:
    if isinstance(value, dict) and value and not node.atomic:
        for name, child in value.items():
            if child is not None:
                _collect(child, node.child(name), (*path, f"f:{name}"), found)
    elif isinstance(value, list) and value and node.apply_set:
        for item in value:
            found[*path, f"v:{_compact(item)}"] = item
    elif isinstance(value, list) and value and node.apply_keys:
        for item in value:
            step = (*path, key_step(item, node))
            if node.item.atomic:
                found[step] = item
            else:
                found[step] = _MEMBER
                _collect(item, node.item, step, found)
    elif path:
        found[path] = value


def key_step(item: Manifest, node: Node) -> str:
    """The step that names a keyed list item."""
    keys = {key: item.get(key, node.key_defaults.get(key)) for key in node.apply_keys}
    return f"k:{_compact({key: value for key, value in keys.items() if value is not None})}"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def differences(
    before: Mapping[Path, Any], after: Mapping[Path, Any]
) -> tuple[set[Path], set[Path]]:
    """Which fields were set to something new, and which were removed."""
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    return changed, before.keys() - after.keys()


def encode(paths: Iterable[Path]) -> Manifest:
    """The fieldsV1 tree of a set."""
    tree: Manifest = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        node["."] = {}
    return _tidy(tree)


def _tidy(tree: Manifest) -> Manifest:
    if tree.keys() == {"."}:
        return {}
    return {step: _tidy(child) if step != "." else {} for step, child in tree.items()}


def decode(tree: Manifest) -> set[Path]:
    """The set of a fieldsV1 tree."""
    found: set[Path] = set()
    _read(tree, (), found)
    return found


def _read(tree: Manifest, path: Path, found: set[Path]) -> None:
    if path and (not tree or "." in tree):
        found.add(path)
    for step, child in tree.items():
        if step != ".":
            _read(child or {}, (*path, step), found)


def shown(path: Path) -> str:
    """A path as conflicts name it: `.spec.containers[name="web"].image`."""
    text = ""
    for step in path:
        kind, _, rest = step.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "v":
            text += f"[={rest}]"
        else:
            keys = json.loads(rest)
            text += "[" + ",".join(f"{key}={_compact(keys[key])}" for key in sorted(keys)) + "]"
    return text


def remove(obj: Manifest, path: Path, schema: Node) -> None:
    """Takes a field or a list item out, and the maps that are empty then."""
    trail: list[tuple[Any, Any]] = []
    value, node = obj, schema
    for step in path:
        place = _place(value, step, node)
        if place is None:
            return
        trail.append((value, place))
        node = node.child(step[2:]) if step.startswith("f:") else node.item
        value = value[place]
    for at, (parent, place) in enumerate(reversed(trail)):
        if at and (parent[place] or isinstance(place, int)):
            return
        del parent[place]


def _place(value: Any, step: str, node: Node) -> Any:
    kind, _, rest = step.partition(":")
    if kind == "f":
        return rest if isinstance(value, dict) and rest in value else None
    if not isinstance(value, list):
        return None
    names = (_compact(item) if kind == "v" else key_step(item, node)[2:] for item in value)
    return next((at for at, name in enumerate(names) if name == rest), None)
