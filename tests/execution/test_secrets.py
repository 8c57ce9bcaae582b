"""Tokens stay where they are: in no log, no event, no error and no message."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from bot.catalog.settings import Settings
from bot.core.errors import RollbackBotError
from bot.entry.logs import configure_logging
from bot.incident.state import Phase
from bot.paperwork import conclude
from tests.company.deeds import CONCLUSION, declare
from tests.company.harness import Company, Process, catalog_of

METHODS = (
    "conversations.create",
    "conversations.list",
    "conversations.history",
    "conversations.setTopic",
    "conversations.invite",
    "chat.postMessage",
    "chat.update",
    "users.info",
    "pins.add",
    "bookmarks.add",
    "conversations.canvases.create",
    "files.getUploadURLExternal",
    "files.completeUploadExternal",
)


@pytest.fixture(params=["json", "console"])
def written(
    request: pytest.FixtureRequest, company: Company, monkeypatch: pytest.MonkeyPatch
) -> Iterator[io.StringIO]:
    """Everything that the bot logs at its most talkative, as an operator would see it."""
    stream = io.StringIO()
    before, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    monkeypatch.setattr(sys, "stderr", stream)
    settings = Settings.model_validate(
        {
            "slack_bot_token": company.slack.bot_token,
            "slack_app_token": company.slack.app_token,
            "slack_signing_secret": company.slack.signing_secret,
            "log_level": "debug",
            "log_format": request.param,
        }
    )
    configure_logging(settings)
    yield stream
    structlog.configure(**before)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def _all_files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def _secrets(company: Company) -> tuple[str, ...]:
    return (company.slack.bot_token, company.slack.app_token, company.slack.signing_secret)


async def _all_that_can_go_wrong(company: Company) -> Process:
    """A whole journey in which every call of Slack fails in every way."""
    faults = company.slack.faults
    for method in METHODS:
        faults.server_error(method, times=1)
        faults.timeout_after_effect(method, times=1)
        faults.rate_limit(method, retry_after=2)
        faults.error(method, "internal_error", times=1)
    # A defect that carries a token in its text, where no error of ours has a part.
    company.shop.script["plan"] = [ValueError(f"Bearer {company.slack.bot_token}")]
    process = await company.process(catalog=catalog_of({"updates": {"channels": ["ops"]}}))
    incident = await declare(process)
    await company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    await company.clock.advance(120)
    faults.error("*", "invalid_auth", times=3)
    await conclude.resolve(
        process.context,
        incident.id,
        conclusion=CONCLUSION,
        actor=company.actor("ana"),
        request_id="view/1",
    )
    await company.clock.advance(120)
    return process


async def test_no_failure_puts_a_token_into_logs_events_or_messages(
    company: Company, written: io.StringIO
) -> None:
    process = await _all_that_can_go_wrong(company)
    await process.stop()
    stored = _all_files(company.folder)
    said = "".join(str(channel.messages) for channel in company.slack.workspace.channels)
    logged = written.getvalue()
    assert "delivery postponed" in logged
    assert "Bearer (secret)" in logged
    assert b"INC-2026-001" in stored
    for secret in _secrets(company):
        assert secret not in logged
        assert secret.encode() not in stored
        assert secret not in said


async def test_no_error_of_the_client_repeats_the_token(company: Company) -> None:
    process = await company.process(sends=False)
    failures = []
    for fault in ("invalid_auth", "missing_scope", "internal_error", "anything_else"):
        company.slack.faults.error("conversations.create", fault, times=1)
        try:
            await process.context.chat.open_channel("inc-1", since=company.clock.now())
        except RollbackBotError as error:
            failures.append(f"{error} {error.__cause__} {error.__cause__!r}")
    assert len(failures) == 4
    for secret in _secrets(company):
        assert not [text for text in failures if secret in text]
