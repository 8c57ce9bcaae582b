"""Blocks as JSON, checked by the library's own validators, in a tenth of the library's time.

``to_dict`` of slack_sdk looks through all attributes of each object for validators, each time. A
card has a hundred objects and is drawn at every event, so that took longer than everything else
that the bot does. Which methods of a class are validators never changes, so it is looked up once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from slack_sdk.models import JsonObject
from slack_sdk.models.basic_objects import EMPTY_ALLOWED_TYPE_AND_PROPERTY_LIST

_MAY_BE_EMPTY = frozenset(
    (each["type"], each["property"]) for each in EMPTY_ALLOWED_TYPE_AND_PROPERTY_LIST
)


def as_json(element: JsonObject) -> dict[str, Any]:
    """What ``element.to_dict()`` gives.

    Raises SlackObjectFormationError when Slack would refuse the element.
    """
    kind = type(element)
    if not _is_usual(kind):
        return element.to_dict()
    for validator in _validators(kind):
        getattr(element, validator)()
    type_name = getattr(element, "type", None)
    found = {}
    for key in sorted(element.attributes):
        value = getattr(element, key, None)
        if value is None:
            continue
        empty = hasattr(value, "__len__") and len(value) == 0
        if not empty or (type_name, key) in _MAY_BE_EMPTY:
            found[key] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, JsonObject):
        return as_json(value)
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


@cache
def _is_usual(kind: type[JsonObject]) -> bool:
    """Whether a class is drawn as all are; some have ways of their own."""
    return (
        kind.to_dict is JsonObject.to_dict
        and kind.get_non_null_attributes is JsonObject.get_non_null_attributes
        and kind.validate_json is JsonObject.validate_json
    )


@cache
def _validators(kind: type[JsonObject]) -> tuple[str, ...]:
    """The names of the methods that the library marks as validators."""
    return tuple(name for name in dir(kind) if hasattr(getattr(kind, name, None), "validator"))
