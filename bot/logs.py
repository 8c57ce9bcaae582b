"""Logging: one line an event, JSON by default; never a token, a form's text or a message."""

from __future__ import annotations

import logging
import re
import sys
from urllib.parse import unquote, urlsplit

import structlog

from bot.config.settings import Settings

_TOKEN = re.compile(r"\b(?:xox[a-z]|xapp)-[\w-]+")
"""What every token of Slack looks like."""


def configure_logging(settings: Settings) -> None:
    """Set up structlog and the standard library's logging, which our libraries use."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if settings.log_format == "console"
        else structlog.processors.JSONRenderer()
    )
    masked = _mask(settings)
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer, masked],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
            masked,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries' debug output would contain whole messages and forms.
    root.setLevel(max(level, logging.WARNING))
    # It warns when a round of readings is left out because the last one still runs: that is the
    # intended behaviour of a slow cluster, and the judge sees the gap.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def _password_in(url: str) -> str:
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return ""


def _mask(settings: Settings) -> structlog.typing.Processor:
    """Take secrets out of a finished line: a library's exception may quote what it was given."""
    held = (
        settings.slack_bot_token,
        settings.slack_app_token,
        settings.slack_signing_secret,
        settings.alerts_token,
    )
    known = [secret.get_secret_value() for secret in held if secret and secret.get_secret_value()]
    known += filter(None, [_password_in(settings.database_url)])
    pattern = re.compile("|".join([*map(re.escape, known), _TOKEN.pattern]))

    def masked(_: object, __: str, line: structlog.typing.EventDict) -> str:
        return pattern.sub("(secret)", str(line))

    return masked
