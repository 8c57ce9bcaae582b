"""Logging: one line an event, JSON by default; never a token, a form's text or a message."""

from __future__ import annotations

import logging
import os
import sys

import structlog

from bot.catalog.catalog import Catalog
from bot.catalog.settings import Settings
from bot.catalog.types import values_of
from bot.core.mask import Mask, passwords_in

READ_BY_LIBRARIES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD")
"""Secrets that neither the settings nor the catalog name: libraries find them by themselves."""


def configure_logging(settings: Settings, catalog: Catalog | None = None) -> None:
    """Set up structlog and the standard library's logging, which our libraries use.

    What the settings and the catalog name as secrets is masked in every line: call it again once
    there is a catalog.
    """
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
    masked = _mask(settings, catalog)
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


def _mask(settings: Settings, catalog: Catalog | None) -> Mask:
    held = (
        settings.slack_bot_token,
        settings.slack_app_token,
        settings.slack_signing_secret,
        settings.alerts_token,
    )
    known = [secret.get_secret_value() for secret in held if secret]
    known += passwords_in(settings.database_url)
    known += [os.environ.get(name, "") for name in READ_BY_LIBRARIES]
    return Mask([*known, *(values_of(catalog, os.environ) if catalog else ())])
