"""Whether a manifest has the fields and the types that its kind declares.

The declarations are those of the official client's models, generated from Kubernetes' OpenAPI.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from kubernetes.aio import client

from sandbox.cluster.base.errors import bad_request
from sandbox.cluster.base.resources import ResourceType
from sandbox.cluster.base.types import Manifest

_MODELS = {"Event": "CoreV1Event"}
_NAMED_BY_GROUP = re.compile(r"^([A-Z][a-z]+)?V\d\w*?(?=[A-Z])")
_CONTAINER = re.compile(r"^(List|Dict)\[(?:str, )?(.+)\]$")
# Quantities may be written as numbers.
_QUANTITIES = {"averageValue", "capacity", "divisor", "limits", "requests", "sizeLimit", "overhead"}
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "bytes": (str,),
    "datetime": (str,),
}
_GO = {
    "str": "string",
    "int": "int32",
    "float": "float64",
    "bytes": "[]uint8",
    "datetime": "string",
}


def check(resource: ResourceType, obj: Manifest) -> list[str]:
    """The fields that the kind does not declare, as dotted paths.

    Raises ApiError 400 where a value has the wrong type. A custom kind declares everything.
    """
    if resource.custom:
        return []
    model = _MODELS.get(resource.kind, f"{resource.gvr.version.upper()}{resource.kind}")
    unknown: list[str] = []
    for path, problem in _problems(model, obj, ""):
        if problem:
            raise bad_request(f"{_handled(resource)}: json: {problem}")
        unknown.append(path)
    return unknown


def refuse_unknown(resource: ResourceType, unknown: list[str]) -> None:
    """Raises the ApiError 400 of `fieldValidation=Strict` when there is an unknown field."""
    if unknown:
        named = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise bad_request(f"{_handled(resource)}: strict decoding error: {named}")


def _handled(resource: ResourceType) -> str:
    kind = resource.kind
    return f'{kind} in version "{resource.gvr.version}" cannot be handled as a {kind}'


@cache
def _fields(model: str) -> dict[str, str] | None:
    """Declared types by JSON name, or None where anything goes."""
    found = getattr(client, model, None)
    if found is None:
        return None
    types: dict[str, str] = found.openapi_types
    names: dict[str, str] = found.attribute_map
    return {names[attribute]: declared for attribute, declared in types.items()}


def _problems(model: str, obj: Manifest, path: str) -> Iterator[tuple[str, str]]:
    """Path and description of each wrong value; no description: the field is unknown."""
    declared = _fields(model)
    if declared is None:
        return
    for name, value in obj.items():
        place = f"{path}.{name}" if path else name
        if name not in declared:
            yield place, ""
        elif value is not None:
            struct = _NAMED_BY_GROUP.sub("", model)
            yield from _value_problems(declared[name], value, place, f"{struct}.{place}")


def _value_problems(declared: str, value: Any, path: str, shown: str) -> Iterator[tuple[str, str]]:
    container = _CONTAINER.match(declared)
    if container:
        yield from _container_problems(container, value, path, shown)
    elif declared in _TYPES:
        if not _fits(declared, value, path):
            yield path, _mismatch(value, shown, _GO.get(declared, declared))
    elif declared != "object":
        if isinstance(value, dict):
            yield from _problems(declared, value, path)
        else:
            yield path, _mismatch(value, shown, _go_struct(declared))


def _container_problems(
    container: re.Match[str], value: Any, path: str, shown: str
) -> Iterator[tuple[str, str]]:
    kind, inner = container.groups()
    go = f"[]{_go_struct(inner)}" if kind == "List" else f"map[string]{_go_struct(inner)}"
    items: list[tuple[str, Any]]
    if kind == "List" and isinstance(value, list):
        items = [(f"{path}[{number}]", item) for number, item in enumerate(value)]
    elif kind == "Dict" and isinstance(value, dict):
        items = [(f"{path}.{key}", item) for key, item in value.items()]
    else:
        yield path, _mismatch(value, shown, go)
        return
    for place, item in items:
        if item is not None:
            yield from _value_problems(inner, item, place, shown)


def _fits(declared: str, value: Any, path: str) -> bool:
    if isinstance(value, bool):
        return declared == "bool"
    if declared == "str" and isinstance(value, int | float):
        return bool(_QUANTITIES & set(path.split(".")))
    return isinstance(value, _TYPES[declared])


def _go_struct(declared: str) -> str:
    if declared in _TYPES:
        return _GO.get(declared, declared)
    return f"v1.{_NAMED_BY_GROUP.sub('', declared)}"


def _mismatch(value: Any, shown: str, go: str) -> str:
    given = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}
    return (
        f"cannot unmarshal {given.get(type(value), 'object')} into Go struct field {shown} of "
        f"type {go}"
    )
