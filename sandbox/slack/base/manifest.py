"""Whether Slack would take an app manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft7Validator

from sandbox.slack.base.scopes import BOT_EVENTS, BOT_SCOPES

Manifest = Mapping[str, Any]


class InvalidManifest(ValueError):  # noqa: N818 - reads as what happened
    """Slack would not take this manifest; the message lists every problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


def validate_manifest(manifest: Manifest) -> list[str]:
    """Every reason for Slack to refuse the manifest; empty when it would be taken.

    First Slack's published JSON schema, then what that schema leaves to the server.
    """
    shape = [
        f"{'/'.join(map(str, error.absolute_path)) or '(root)'}: {error.message}"
        for error in _validator().iter_errors(manifest)
    ]
    if shape:
        return sorted(shape)
    return [
        *_scope_problems(manifest),
        *_command_problems(manifest),
        *_event_problems(manifest),
        *_address_problems(manifest),
        *_surface_problems(manifest),
    ]


@cache
def _validator() -> Draft7Validator:
    text = files("sandbox.slack").joinpath("data/manifest.schema.json").read_text(encoding="utf-8")
    return Draft7Validator(json.loads(text))


def _part(manifest: Manifest, *path: str) -> Any:
    held: Any = manifest
    for name in path:
        held = held.get(name) if isinstance(held, Mapping) else None
    return held or {}


def _scopes(manifest: Manifest) -> list[str]:
    return list(_part(manifest, "oauth_config", "scopes", "bot") or ())


def _socket_mode(manifest: Manifest) -> bool:
    return bool(_part(manifest, "settings", "socket_mode_enabled"))


def _scope_problems(manifest: Manifest) -> Iterator[str]:
    scopes = _scopes(manifest)
    for scope in scopes:
        if scope not in BOT_SCOPES:
            yield f"oauth_config/scopes/bot: {scope} is not a bot scope"
    for scope in sorted({s for s in scopes if scopes.count(s) > 1}):
        yield f"oauth_config/scopes/bot: {scope} is listed twice"
    if scopes and not _part(manifest, "features", "bot_user"):
        yield "features/bot_user: is required when there are bot scopes"
    if "users:read.email" in scopes and "users:read" not in scopes:
        yield "oauth_config/scopes/bot: users:read.email needs users:read"


def _command_problems(manifest: Manifest) -> Iterator[str]:
    commands = _part(manifest, "features", "slash_commands") or []
    names = [row["command"] for row in commands]
    if commands and "commands" not in _scopes(manifest):
        yield "oauth_config/scopes/bot: slash commands need the scope commands"
    for name in sorted({n for n in names if names.count(n) > 1}):
        yield f"features/slash_commands: {name} is listed twice"
    for name in names:
        if " " in name or name != name.lower():
            yield f"features/slash_commands: {name} must be lower case and without spaces"
    if not _socket_mode(manifest):
        for row in commands:
            if not row.get("url"):
                yield f"features/slash_commands: {row['command']} needs a url without Socket Mode"


def _event_problems(manifest: Manifest) -> Iterator[str]:
    scopes = set(_scopes(manifest))
    for event in _part(manifest, "settings", "event_subscriptions", "bot_events") or []:
        needed = BOT_EVENTS.get(event)
        if needed is None:
            yield f"settings/event_subscriptions/bot_events: {event} is not a bot event"
        elif needed and not scopes & set(needed):
            wanted = " or ".join(needed)
            yield f"settings/event_subscriptions/bot_events: {event} needs the scope {wanted}"


def _address_problems(manifest: Manifest) -> Iterator[str]:
    if _socket_mode(manifest):
        return
    for part, switched_on in (
        ("event_subscriptions", _part(manifest, "settings", "event_subscriptions", "bot_events")),
        ("interactivity", _part(manifest, "settings", "interactivity", "is_enabled")),
    ):
        if switched_on and not _part(manifest, "settings", part, "request_url"):
            yield f"settings/{part}: needs a request_url without Socket Mode"


def _surface_problems(manifest: Manifest) -> Iterator[str]:
    shortcuts = _part(manifest, "features", "shortcuts") or []
    ids = [row["callback_id"] for row in shortcuts]
    for name in sorted({n for n in ids if ids.count(n) > 1}):
        yield f"features/shortcuts: {name} is listed twice"
    if shortcuts and "commands" not in _scopes(manifest):
        yield "oauth_config/scopes/bot: shortcuts need the scope commands"
    if shortcuts and not _part(manifest, "settings", "interactivity", "is_enabled"):
        yield "settings/interactivity: shortcuts need interactivity"
