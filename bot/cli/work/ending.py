"""The end of every error: a sentence, not a traceback."""

from __future__ import annotations

import structlog

from bot.errors import RollbackBotError
from bot.mask import masked
from bot.terminal.printing import here, make_console

log = structlog.get_logger()


def tell(error: Exception) -> None:
    """Say on standard error what is wrong and what to do."""
    if isinstance(error, RollbackBotError):
        _say(here(masked(str(error))))
        return
    # The place of a defect is for those who can mend it; a token may stand in its words, which
    # only our own logging masks.
    if structlog.is_configured():
        log.debug("ended by a defect", exc_info=error)
    _say(
        f"This is a defect of the bot ({type(error).__name__}). What was begun stays recorded: "
        "“rollback-bot incidents” shows it. ROLLBACK_LOG_LEVEL=debug shows where it happened; "
        "report that, please."
    )


def _say(text: str) -> None:
    make_console(errors=True).print(f"rollback-bot: {text}", soft_wrap=True)
