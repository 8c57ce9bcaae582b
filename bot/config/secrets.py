"""Environment variables that the catalog names because they hold secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo


class _NamesVariable:
    """Marks a key whose value is the name of an environment variable."""


NAMES_VARIABLE = _NamesVariable()
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
SecretName = Annotated[str, Field(pattern=VARIABLE), NAMES_VARIABLE]
"""Name of an environment variable; never the secret itself."""
OptionalSecretName = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$"), NAMES_VARIABLE]
"""The same, or empty where there is none."""


def variables_of(model: BaseModel) -> dict[str, tuple[str, ...]]:
    """Every variable that a model names, and the keys that name it, by the variables' names."""
    found: dict[str, list[str]] = {}
    for variable, place in _named_in(model, ""):
        found.setdefault(variable, []).append(place)
    return {variable: tuple(found[variable]) for variable in sorted(found)}


def values_of(model: BaseModel, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets themselves, of all variables that a model names and that are set."""
    return tuple(filter(None, map(environment.get, variables_of(model))))


def _named_in(model: BaseModel, place: str) -> Iterator[tuple[str, str]]:
    for name, field in type(model).model_fields.items():
        where = f"{place}.{field.alias or name}".removeprefix(".")
        yield from _inside(getattr(model, name), where, is_name=_names_variable(field))


def _inside(value: Any, place: str, *, is_name: bool) -> Iterator[tuple[str, str]]:
    if isinstance(value, BaseModel):
        yield from _named_in(value, place)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _inside(one, f"{place}.{key}", is_name=is_name)
    elif isinstance(value, (tuple, list)):
        for number, one in enumerate(value):
            yield from _inside(one, f"{place}.{number}", is_name=is_name)
    elif is_name and isinstance(value, str) and value:
        yield value, place


def _names_variable(field: FieldInfo) -> bool:
    return NAMES_VARIABLE in field.metadata or _is_marked(field.annotation)


def _is_marked(annotation: Any) -> bool:
    marks = getattr(annotation, "__metadata__", ())
    return NAMES_VARIABLE in marks or any(_is_marked(one) for one in get_args(annotation))
