"""Durations as people write them in a configuration file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo

# Where things are: addresses of the web, paths, namespaces of a cluster, resources of AWS.


def _without_secrets(url: AnyHttpUrl) -> AnyHttpUrl:
    if url.username or url.password:
        raise ValueError(
            "leave user name and password out of the URL, which messages show; name the "
            "environment variables that hold them"
        )
    return url


ServerUrl = Annotated[AnyHttpUrl, AfterValidator(_without_secrets)]
"""Base of an API or a service, with a path in front where it has one."""
PATH = r"^/"
UrlPath = Annotated[str, Field(pattern=PATH)]
"""What stands behind the base."""
NAMESPACE = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
Namespace = Annotated[str, Field(pattern=NAMESPACE, max_length=63)]
"""Of Kubernetes. An empty one would mean all of them."""
ELBV2_ARN = r"^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:"
TargetGroupArn = Annotated[str, StringConstraints(pattern=ELBV2_ARN + r"targetgroup/")]


_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

LONGEST = timedelta(days=3650)
"""Moments that are further away cannot be reckoned with."""


def parse_duration(value: Any) -> Any:
    """Turn ``90``, ``"90s"``, ``"10m"`` or ``"1h30m"`` into a timedelta; numbers are seconds.

    Raises ValueError for a text that is not a duration. Other types are left to pydantic.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    parts = _PATTERN.findall(text)
    if not parts or "".join(_PATTERN.sub("", text).split()):
        raise ValueError(f"“{value}” is not a duration; write it like 90s, 10m or 1h30m")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    # What is longer is refused below; a timedelta could not even hold all of it.
    return timedelta(seconds=min(seconds, 2 * LONGEST.total_seconds()))


def _sensible(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    if value > LONGEST:
        raise ValueError(f"must not be longer than {written(LONGEST)}")
    return value


def written(value: timedelta) -> str:
    """The shortest way to write a duration: ``1h30m``, ``10m``, ``0.5s``."""
    rest = value.total_seconds()
    parts = []
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count:g}{unit}")
    if rest or not parts:
        parts.append(f"{rest:g}s")
    return "".join(parts)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    AfterValidator(_sensible),
    WithJsonSchema(
        {
            "title": "duration",
            "anyOf": [
                {"type": "string", "pattern": r"^\s*(\d+(\.\d+)?\s*(ms|s|m|h|d)\s*)+$"},
                {"type": "number", "exclusiveMinimum": 0},
            ],
        }
    ),
]
"""A span of time longer than zero, written ``90s``, ``10m``, ``1h30m`` or as seconds."""


# How the catalog names people and channels.

_PERSON = re.compile(r"[UWS][A-Z0-9]{2,}|[^@\s]+@[^@\s]+\.[^@\s]+")
_CHANNEL = re.compile(r"[CG][A-Z0-9]{2,}|#?[a-z0-9][a-z0-9_-]{0,79}")


def _person(value: str) -> str:
    if not _PERSON.fullmatch(value):
        raise ValueError(
            f"“{value}” is neither a Slack user id (U…), a user group id (S…) nor an e-mail address"
        )
    return value


def _channel(value: str) -> str:
    if not _CHANNEL.fullmatch(value):
        raise ValueError(f"“{value}” is neither a Slack channel id (C…) nor a channel name")
    return value.removeprefix("#")


PersonRef = Annotated[str, AfterValidator(_person)]
"""A Slack user id (U…, W…), a user group id (S…) or an e-mail address."""
ChannelRef = Annotated[str, AfterValidator(_channel)]
"""A Slack channel id (C…, G…) or a channel's name."""


# Environment variables that the catalog names because they hold secrets.


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
