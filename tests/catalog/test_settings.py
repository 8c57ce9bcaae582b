"""Environments as people really set them."""

from __future__ import annotations

import io
import logging
import sys

import pytest
import structlog

from bot.catalog.settings import SECRET_VARIABLES, read_serve_settings, read_settings
from bot.core.errors import ConfigurationError
from bot.entry.logs import configure_logging


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing of this machine's own."""
    for name in (*SECRET_VARIABLES, "SLACK_API_URL", "SLACK_API_BASE_URL", "ROLLBACK_PORT"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_secret_from_a_file_loses_its_line_break(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SLACK_BOT_TOKEN", "xoxb-1\n")
    environment.setenv("SLACK_SIGNING_SECRET", "abc\r\n")
    environment.setenv("ROLLBACK_ALERTS_TOKEN", "t0ken\n")
    settings = read_serve_settings()
    assert settings.slack_bot_token.get_secret_value() == "xoxb-1"
    assert settings.slack_signing_secret is not None
    assert settings.slack_signing_secret.get_secret_value() == "abc"
    assert settings.alerts_token is not None
    assert settings.alerts_token.get_secret_value() == "t0ken"


def test_a_variable_that_is_set_to_nothing_is_not_set(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    environment.setenv("SLACK_APP_TOKEN", "")
    environment.setenv("ROLLBACK_PORT", "")
    with pytest.raises(ConfigurationError, match="Neither SLACK_APP_TOKEN nor"):
        read_serve_settings()
    environment.setenv("SLACK_BOT_TOKEN", "")
    with pytest.raises(ConfigurationError, match="SLACK_BOT_TOKEN"):
        read_serve_settings()
    assert read_settings().port == 8080


def test_an_address_that_is_none_is_refused_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SLACK_API_URL", "slack.example/api")
    with pytest.raises(ConfigurationError, match="SLACK_API_URL"):
        read_settings()


def test_no_line_of_the_log_shows_the_alerts_token_or_the_databases_password(
    environment: pytest.MonkeyPatch,
) -> None:
    stream, before = io.StringIO(), structlog.get_config()
    handlers, level = logging.root.handlers[:], logging.root.level
    environment.setattr(sys, "stderr", stream)
    environment.setenv("ROLLBACK_ALERTS_TOKEN", "al3rts")
    environment.setenv("ROLLBACK_DATABASE_URL", "postgresql://bot:p%40ssw0rd@db.example/bot")
    configure_logging(read_settings())
    structlog.get_logger().warning("refused", error="Bearer al3rts, password p@ssw0rd")
    structlog.configure(**before)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    assert "refused" in stream.getvalue()
    assert "al3rts" not in stream.getvalue()
    assert "p@ssw0rd" not in stream.getvalue()
