"""The catalog as JSON Schema, so that editors complete ``rollback.yml`` and explain its keys."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from bot.config.catalog import Catalog
from bot.config.described import described, summary
from bot.config.durations import written
from bot.registry import OneOf

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def catalog_schema() -> dict[str, Any]:
    """The schema, with what the models' sources say of every key."""
    schema = Catalog.model_json_schema()
    known = {model.__name__: model for model in models()}
    for name, definition in (("Catalog", schema), *schema["$defs"].items()):
        if name in known:
            _explain(definition, known[name])
    schema = _plain(schema)
    return {"$schema": DIALECT, **schema, "title": "rollback.yml"}


def models(root: type[BaseModel] = Catalog) -> tuple[type[BaseModel], ...]:
    """Every model that the catalog is made of, each once, in the order in which it is reached."""
    found: dict[type[BaseModel], None] = {}
    waiting = [root]
    while waiting:
        model = waiting.pop(0)
        if model in found:
            continue
        found[model] = None
        for field in model.model_fields.values():
            waiting.extend(_models_in(field.annotation))
    return tuple(found)


def default_of(model: type[BaseModel], name: str) -> object:
    """A key's default as plain JSON, with durations as people write them.

    ``PydanticUndefined`` for a key that must be given.
    """
    return _humane(model.model_fields[name].get_default(call_default_factory=True))


def key_of(model: type[BaseModel], name: str) -> str:
    """How an attribute is called in the file."""
    return model.model_fields[name].alias or name


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in OneOf.choices(annotation) or typing.get_args(annotation):
        yield from _models_in(argument)


def _explain(definition: dict[str, Any], model: type[BaseModel]) -> None:
    """Put what the source says beside each property."""
    definition["description"] = summary(model)
    texts, properties = described(model), definition.get("properties", {})
    for name in model.model_fields:
        part = properties[key_of(model, name)]
        if name in texts:
            part["description"] = texts[name]
        if "default" in part:
            part["default"] = default_of(model, name)


def _plain(part: Any, *, names_keys: bool = False) -> Any:
    """Without the titles that pydantic makes of the keys: editors would show them as texts."""
    if isinstance(part, dict):
        return {
            key: _plain(value, names_keys=key in {"properties", "$defs"})
            for key, value in part.items()
            if names_keys or key != "title"
        }
    return [_plain(one) for one in part] if isinstance(part, list) else part


def _humane(value: Any) -> Any:
    if isinstance(value, BaseModel):
        names = type(value).model_fields
        return {key_of(type(value), name): _humane(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {str(_humane(key)): _humane(one) for key, one in value.items()}
    if isinstance(value, (set, frozenset)):
        # The order of a set differs from run to run.
        return sorted(_humane(one) for one in value)
    if isinstance(value, (list, tuple)):
        return [_humane(one) for one in value]
    if isinstance(value, timedelta):
        return written(value)
    if isinstance(value, Enum):
        return value.value
    plain = value is None or value is PydanticUndefined or isinstance(value, (str, int, float))
    return value if plain else str(value)
