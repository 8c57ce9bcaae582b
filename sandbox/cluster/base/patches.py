"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386)."""

from __future__ import annotations

from typing import Any

from sandbox.cluster.base.errors import ApiError, bad_request
from sandbox.cluster.base.types import Manifest, clone

_MISSING = object()


def rejected() -> ApiError:
    """422 as the API server words it for a patch that does not apply, a failed `test` included.

    apimachinery `errors.NewGenericServerResponse(422, …)` keeps the reason to itself.
    """
    return ApiError(
        422, "Invalid", "the server rejected our request due to an error in our request", {}
    )


def merge_patch(target: Any, patch: Any) -> Any:
    """The target with the patch's fields set and its nulls removed."""
    if not isinstance(patch, dict):
        return clone(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(target: Manifest, operations: Any) -> Manifest:
    """Applies every operation or raises: 400 for a malformed patch, 422 for one that fails."""
    if not isinstance(operations, list) or not all(isinstance(op, dict) for op in operations):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type "
            "jsonpatch.Patch"
        )
    document: Any = clone(target)
    for operation in operations:
        document = _apply(document, operation)
    if not isinstance(document, dict):
        raise rejected()
    return document


def _apply(document: Any, operation: Manifest) -> Any:
    path = _pointer(operation.get("path"))
    match operation.get("op"):
        case "add":
            return _add(document, path, clone(operation.get("value")))
        case "remove":
            return _remove(document, path)
        case "replace":
            _existing(document, path)
            return _replace(document, path, clone(operation.get("value")))
        case "move":
            source = _pointer(operation.get("from"))
            value = _existing(document, source)
            return _add(_remove(document, source), path, value)
        case "copy":
            return _add(document, path, clone(_existing(document, _pointer(operation.get("from")))))
        case "test":
            found = _find(document, path)
            expected = operation.get("value")
            missing = found is _MISSING
            if (missing and expected is not None) or (not missing and not _same(found, expected)):
                raise rejected()
            return document
        case _:
            raise rejected()


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def _pointer(path: Any) -> list[str]:
    if not isinstance(path, str) or (path and not path.startswith("/")):
        raise rejected()
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _index(step: str, length: int) -> int:
    if not step.isdigit() or (len(step) > 1 and step[0] == "0") or int(step) >= length:
        raise rejected()
    return int(step)


def _find(document: Any, path: list[str]) -> Any:
    value = document
    for step in path:
        if isinstance(value, dict):
            value = value.get(step, _MISSING)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _MISSING
        if value is _MISSING:
            return _MISSING
    return value


def _existing(document: Any, path: list[str]) -> Any:
    value = _find(document, path)
    if value is _MISSING:
        raise rejected()
    return value


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _existing(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        place = len(parent) if last == "-" else _index(last, len(parent) + 1)
        parent.insert(place, value)
    else:
        raise rejected()
    return document


def _replace(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _existing(document, path[:-1]), path[-1]
    parent[_index(last, len(parent)) if isinstance(parent, list) else last] = value
    return document


def _remove(document: Any, path: list[str]) -> Any:
    _existing(document, path)
    if not path:
        raise rejected()
    parent, last = _existing(document, path[:-1]), path[-1]
    del parent[_index(last, len(parent)) if isinstance(parent, list) else last]
    return document
