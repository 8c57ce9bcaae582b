"""Logging: one line an event, JSON by default; never a token, a form's text or a message."""

from __future__ import annotations

import logging
import sys

import structlog

from bot.config.settings import Settings


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
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
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
