"""The reference of the catalog as Markdown: one table a model, from the models themselves."""

from __future__ import annotations

import json
import types
import typing
from datetime import timedelta
from enum import Enum
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from bot.config.described import described, summary
from bot.config.schema import default_of, key_of, models
from bot.registry import OneOf

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
