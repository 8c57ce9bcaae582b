"""The arguments of a Web API call, wherever the caller put them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Json
from sandbox.slack.base.specs import MethodSpec

FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
# Bolt's client adds the workspace to every call; Slack takes it where it means nothing.
EVERYWHERE = frozenset({"team_id"})
MAY_BE_EMPTY = frozenset({"topic", "purpose"})


async def read_arguments(request: web.Request) -> Json:
    """Query string and body together: the asynchronous SDK uses either."""
    arguments: Json = dict(request.query)
    if request.method != "POST":
        return arguments
    if request.content_type == "application/json":
        return arguments | await _json_body(request)
    if request.content_type in FORM_TYPES:
        form = await request.post()
        return arguments | {name: value for name, value in form.items() if isinstance(value, str)}
    return arguments


async def _json_body(request: web.Request) -> Json:
    raw = await request.text()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise SlackRefusal("invalid_json") from error
    if not isinstance(body, dict):
        raise SlackRefusal("json_not_object")
    body.pop("token", None)  # with a JSON body, Slack takes the token from the header only
    return body


def _wrong(name: str, must: str) -> SlackRefusal:
    return SlackRefusal("invalid_arguments", f"[ERROR] must be {must} [json-pointer:/{name}]")


class Arguments:
    """Typed access. A value of the wrong type is refused with invalid_arguments."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = {name: value for name, value in values.items() if value is not None}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def check(self, spec: MethodSpec) -> None:
        """Refuse unknown and missing arguments."""
        for name in self._values:
            if not re.fullmatch(r"\w{1,100}", name):
                raise SlackRefusal("invalid_arg_name")
        unknown = sorted(set(self._values) - spec.required - spec.optional - EVERYWHERE)
        missing = sorted(name for name in spec.required if self._lacks(name))
        if "name" in missing and spec.name in ("conversations.create", "conversations.rename"):
            raise SlackRefusal("invalid_name_required")
        problems = [f"[ERROR] invalid additional property: {name}" for name in unknown]
        problems += [f"[ERROR] missing required field: {name}" for name in missing]
        if problems:
            raise SlackRefusal("invalid_arguments", *problems)

    def _lacks(self, name: str) -> bool:
        value = self._values.get(name)
        return value is None or (value == "" and name not in MAY_BE_EMPTY)

    def text(self, name: str, default: str = "") -> str:
        """A string; numbers are taken as their digits, as Slack does."""
        value = self._values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise _wrong(name, "a string")
        return str(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean, also as "true", "1", "false" or "0"."""
        value = self._values.get(name, default)
        if isinstance(value, bool):
            return value
        known = {"true": True, "1": True, "false": False, "0": False, "": default}
        if str(value).lower() not in known:
            raise _wrong(name, "a boolean")
        return known[str(value).lower()]

    def integer(self, name: str, default: int) -> int:
        """A whole number, also as digits in a string."""
        value = self._values.get(name, default)
        try:
            return default if value == "" else int(value)
        except (TypeError, ValueError) as error:
            raise _wrong(name, "an integer") from error

    def items(self, name: str) -> list[str]:
        """A comma-separated list, also as a JSON list."""
        value = self._values.get(name, "")
        if isinstance(value, list):
            return [str(item) for item in value]
        return [item.strip() for item in str(value).split(",") if item.strip()]

    def structure(self, name: str, *, otherwise: str = "invalid_arguments") -> Any:
        """JSON, as a string or as it is; `otherwise` is the refusal when it cannot be read."""
        value = self._values.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError as error:
            raise SlackRefusal(
                otherwise, f"[ERROR] must be valid json [json-pointer:/{name}]"
            ) from error
