"""The reference of the catalog as Markdown: one table a model, from the models themselves."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
import types
import typing
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from bot.catalog.catalog import Catalog
from bot.catalog.types import written
from bot.core.registry import OneOf

# What the configuration's models say of their keys: the text that stands under each attribute.


@cache
def described(model: type[BaseModel]) -> dict[str, str]:
    """Attribute → its docstring in one line, the model's own over those that it inherits.

    Read from the source only when it is asked for: pydantic could keep the texts with the models
    (``use_attribute_docstrings``), at the price of parsing every module at every start.
    """
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            found |= _own(base)
    return found


def summary(model: type[BaseModel]) -> str:
    """The model's docstring in one line."""
    return _one_line(inspect.getdoc(model) or "")


def _own(model: type[BaseModel]) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    [definition] = tree.body
    if not isinstance(definition, ast.ClassDef):
        return {}
    texts: dict[str, str] = {}
    for statement, following in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            texts[statement.target.id] = _one_line(following.value.value)
    return texts


def _one_line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


# The catalog as JSON Schema, so that editors complete ``rollback.yml`` and explain its keys.

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


_INTRODUCTION = """\
# Configuration

What can stand in `rollback.yml`. This page is made from the configuration's own models \
(`make docs`); a test keeps it true. A short example is [examples/rollback.yml]\
(../examples/rollback.yml). `rollback-bot check` says which line is wrong and what was probably \
meant.

Editors complete and explain the file with [rollback.schema.json](rollback.schema.json): write \
`# yaml-language-server: $schema=rollback.schema.json` on its first line, with the path to a copy \
(`rollback-bot schema > rollback.schema.json`).

Durations are written `90s`, `10m` or `1h30m`. Shares are between 0 and 1: 0.05 is five per cent. \
Secrets never stand in the file: a key names the environment variable that holds one.
"""


def catalog_reference() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *(_section(model) for model in models())])


def _section(model: type[BaseModel]) -> str:
    texts = described(model)
    rows = [
        f"| `{key_of(model, name)}` | {_type(field.annotation)} | {_default(model, name)} | "
        f"{_cell(texts.get(name, ''))} |"
        for name, field in model.model_fields.items()
    ]
    return "\n".join(
        [
            f"## {_title(model)}\n",
            f"{summary(model)}\n",
            "| key | type | default | meaning |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _title(model: type[BaseModel]) -> str:
    return "The file" if model.__name__ == "Catalog" else model.__name__


def _default(model: type[BaseModel], name: str) -> str:
    value = default_of(model, name)
    if value is PydanticUndefined:
        return "**needed**"
    if value in (None, "", [], {}):
        return "–"
    if isinstance(value, dict):
        return "its defaults"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{_cell(text)}`"


def _type(annotation: Any) -> str:
    """A type in words, with links to the tables of models."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return " or ".join(map(_type, OneOf.choices(annotation) or arguments[:1]))
    if origin is Literal:
        return " or ".join(f"`{_cell(str(one))}`" for one in arguments)
    if origin in {typing.Union, types.UnionType}:
        kinds = [_type(one) for one in arguments if one is not type(None)]
        return " or ".join(dict.fromkeys(kinds))
    if origin is dict:
        return f"mapping from {_type(arguments[0])} to {_type(arguments[1])}"
    if origin in {tuple, list, frozenset, set}:
        return f"list of {_type(arguments[0])}"
    return _plain_type(annotation)


def _plain_type(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        title = _title(annotation)
        return f"[{title}](#{title.lower().replace(' ', '-')})"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{one.value}`" for one in annotation)
    names = {str: "text", int: "number", float: "number", bool: "true or false"}
    if annotation in names:
        return names[annotation]
    if annotation is timedelta:
        return "duration"
    name = getattr(annotation, "__name__", str(annotation))
    return {"AnyHttpUrl": "URL", "HttpUrl": "URL", "Path": "path", "date": "date"}.get(name, name)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
