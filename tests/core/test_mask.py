"""Secrets that only the catalog names are in no line of the log, and in no error at a terminal."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import yaml

from bot.cli.work.starting import prepared, tell
from bot.core.errors import PermanentError
from bot.core.mask import Mask

STATUSPAGE = "oauth-4711/with+signs&ümlaut\\"
MAIL = 'qu0te"d'
DATABASE = "postgresql://owner:s%40fe%20one@db.example/shop?password=0ther-one"
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END KEY-----"
CATALOG = {
    "services": {
        "shop": {
            "url": "http://shop.example",
            "rollback": [
                {"strategy": "rolling", "namespace": "shop", "deployment": "shop"},
            ],
        }
    },
    "people": {"release_managers": ["U01"]},
    "destinations": {
        "page": {"kind": "statuspage", "page_id": "p1", "api_key": "PAGE_KEY"},
        "mail": {
            "kind": "email",
            "audience": "stakeholders",
            "host": "mail.example",
            "from": "bot@example.com",
            "to": ["all@example.com"],
            "username": "MAIL_USER",
            "password": "MAIL_PASSWORD",
        },
        "hook": {"kind": "webhook", "url": "http://hook.example", "signing_secret": "HOOK_KEY"},
    },
}


@pytest.fixture(params=["json", "console"])
def terminal(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[io.StringIO]:
    """Standard error of a command that has read its environment and its catalog."""
    before, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("ROLLBACK_LOG_FORMAT", request.param)
    monkeypatch.setenv("ROLLBACK_LOG_LEVEL", "debug")
    monkeypatch.setenv("PAGE_KEY", STATUSPAGE)
    monkeypatch.setenv("MAIL_USER", "bo")
    monkeypatch.setenv("MAIL_PASSWORD", f"{MAIL}\n")
    monkeypatch.setenv("HOOK_KEY", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-s3cret")
    (tmp_path / "rollback.yml").write_text(yaml.safe_dump(CATALOG))
    prepared(tmp_path / "rollback.yml")
    yield stream
    structlog.configure(**before)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def _shows_a_secret(text: str) -> list[str]:
    parts = ("4711", "umlaut", "mlaut", "qu0te", "MIIEv", "aws-s3cret")
    return [part for part in parts if part in text]


def test_a_line_of_the_log_shows_a_mask(terminal: io.StringIO) -> None:
    structlog.get_logger().warning(
        "refused", page=STATUSPAGE, mail={"password": MAIL}, keys=[KEY, "aws-s3cret"]
    )
    assert "(secret)" in terminal.getvalue()
    assert "refused" in terminal.getvalue()
    assert not _shows_a_secret(terminal.getvalue())


def test_an_exception_shows_a_mask_in_our_log_and_in_that_of_a_library(
    terminal: io.StringIO,
) -> None:
    error = ValueError(f"Authorization: OAuth {STATUSPAGE}, {MAIL!r}, {KEY.encode()!r}")
    structlog.get_logger().error("ours", exc_info=error)
    logging.getLogger("aiohttp").critical("theirs", exc_info=error)
    assert terminal.getvalue().count("ValueError") >= 2
    assert not _shows_a_secret(terminal.getvalue())


async def test_a_task_that_nobody_waits_for_shows_a_mask(terminal: io.StringIO) -> None:
    context = {"message": "never retrieved", "exception": ValueError(f"key {STATUSPAGE}")}
    asyncio.get_running_loop().call_exception_handler(context)
    assert "never retrieved" in terminal.getvalue()
    assert not _shows_a_secret(terminal.getvalue())


@pytest.mark.usefixtures("terminal")
def test_an_error_at_the_terminal_shows_a_mask(capsys: pytest.CaptureFixture[str]) -> None:
    tell(PermanentError(f"It was refused: {STATUSPAGE}.", f"Not {MAIL}."))
    assert "rollback-bot: It was refused: (secret). Not (secret)." in capsys.readouterr().err


def test_lines_stay_what_they_are(terminal: io.StringIO) -> None:
    structlog.get_logger().warning("about books and bots", by="bo", at="2026-11-21T08:00:00Z")
    said = terminal.getvalue()
    assert "about books and bots" in said
    assert "2026-11-21T08:00:00Z" in said
    if said.startswith("{"):
        assert json.loads(said)["by"] == "(secret)"


def test_an_addresss_password_is_a_secret_by_itself() -> None:
    mask = Mask([DATABASE])
    assert mask.hide('FATAL: "s@fe one" and s%40fe%20one') == 'FATAL: "(secret)" and (secret)'
    assert mask.hide("password=0ther-one") == "password=(secret)"


def test_what_looks_like_a_secret_is_masked_though_nobody_named_it() -> None:
    mask = Mask([])
    assert mask.hide("postgresql://bot:p4ss@db/x") == "postgresql://(secret)@db/x"
    assert mask.hide("Authorization: Basic Ym90OnMzY3JldC1wYXNz") == "Authorization: Basic (secret)"
    assert mask.hide("https://shop.example:8443/a@b") == "https://shop.example:8443/a@b"


def test_the_longer_of_two_secrets_leaves_no_tail() -> None:
    assert Mask(["abcd", "abcdefgh"]).hide("abcdefgh abcd") == "(secret) (secret)"
