"""The manifest and the handlers name the same things."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

import handlers
from bot.communication import ids
from handlers import desk
from handlers.actions import CLICKS
from handlers.commands import SUBCOMMANDS
from handlers.modals import SUBMISSIONS
from sandbox.slack.base.manifest import validate_manifest
from sandbox.slack.base.specs import SPECS

ROOT = Path(__file__).resolve().parent.parent
MANIFEST: dict[str, Any] = yaml.safe_load((ROOT / "manifest.yml").read_text())
MOST_SCOPES = 12


class _Recorder:
    """Stands where Bolt's app stands at registration and keeps what is registered."""

    def __init__(self) -> None:
        self.registered: dict[str, list[Any]] = {}

    def __getattr__(self, kind: str) -> Any:
        def register(constraint: Any) -> Any:
            self.registered.setdefault(kind, []).append(constraint)
            return lambda listener: listener

        return register


@pytest.fixture
def registered() -> dict[str, list[Any]]:
    recorder = _Recorder()
    handlers.register(recorder, desk=None)  # type: ignore[arg-type]
    return recorder.registered


def test_slack_would_take_the_manifest() -> None:
    assert validate_manifest(MANIFEST) == []


def test_every_command_has_a_handler_and_every_handler_a_command(
    registered: dict[str, list[Any]],
) -> None:
    commands = {entry["command"] for entry in MANIFEST["features"]["slash_commands"]}
    assert commands == set(registered["command"])


def test_events_and_shortcuts_have_handlers(registered: dict[str, list[Any]]) -> None:
    events = MANIFEST["settings"].get("event_subscriptions", {}).get("bot_events", [])
    shortcuts = [entry["callback_id"] for entry in MANIFEST["features"].get("shortcuts", [])]
    assert sorted(events) == sorted(registered.get("event", []))
    assert sorted(shortcuts) == sorted(registered.get("shortcut", []))


def test_the_home_tab_is_switched_on_where_it_is_listened_to() -> None:
    assert MANIFEST["features"]["app_home"]["home_tab_enabled"] is True
    assert MANIFEST["settings"]["event_subscriptions"]["bot_events"] == [desk.EVENT]


def test_every_subcommand_says_how_it_is_typed() -> None:
    for word, subcommand in SUBCOMMANDS.items():
        assert subcommand.usage.split()[0] == word
        assert subcommand.what


def test_the_hint_in_slack_names_every_subcommand_and_no_other() -> None:
    [command] = MANIFEST["features"]["slash_commands"]
    words = [one.split()[0] for one in command["usage_hint"].strip("[]").split(" | ")]
    assert words == ["service", *SUBCOMMANDS]


def test_every_button_and_modal_of_the_views_has_a_handler() -> None:
    assert set(CLICKS) == set(ids.BUTTONS)
    assert set(SUBMISSIONS) == set(ids.MODALS)


def test_a_button_reaches_one_handler_only(registered: dict[str, list[Any]]) -> None:
    for button in ids.BUTTONS:
        reached = [p.pattern for p in registered["action"] if re.search(p, button)]
        assert len(reached) == 1, button


def test_views_use_no_identifier_but_those_in_ids() -> None:
    # An id written out in a view could never be found by the tests above.
    for path in (ROOT / "bot" / "views").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg in {"action_id", "callback_id"}:
                assert not isinstance(node.value, ast.Constant), f"{path.name}:{node.value.lineno}"


def _called() -> set[str]:
    """The Web API methods that the code calls, by the client's names for them."""
    names = {method.replace(".", "_"): method for method in SPECS}
    # The client's own way to upload, which asks these two.
    uploading = {"files.getUploadURLExternal", "files.completeUploadExternal"}
    found: set[str] = set()
    for folder in ("bot", "handlers"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute):
                    found |= {names[node.attr]} if node.attr in names else set()
                    found |= uploading if node.attr == "files_upload_v2" else set()
    return found


def test_every_call_has_its_scope_and_every_scope_a_call() -> None:
    asked = set(MANIFEST["oauth_config"]["scopes"]["bot"])
    needed = {method: set(SPECS[method].all_scopes) for method in _called()}
    assert [method for method, scopes in needed.items() if scopes and not scopes & asked] == []
    # A slash command is no call.
    assert asked - set().union(*needed.values()) == {"commands"}


def test_the_scopes_stay_few() -> None:
    scopes = MANIFEST["oauth_config"]["scopes"]["bot"]
    assert len(scopes) == len(set(scopes)) <= MOST_SCOPES


def test_bolt_accepts_every_registration(registered: dict[str, list[Any]]) -> None:
    app = AsyncApp(client=AsyncWebClient(token="xoxb-none"), signing_secret="none")
    handlers.register(app, desk=None)  # type: ignore[arg-type]
    assert len(app._async_listeners) == sum(len(found) for found in registered.values())
