"""The commands put together, and the end of every error: a sentence, not a traceback."""

from __future__ import annotations

import io
import sys

import structlog
import typer

from bot.cli import counting, describing, examining, freezing, looking, serving, working
from bot.cli.options import Ended, Exit
from bot.errors import RollbackBotError
from bot.terminal.printing import here, make_console

log = structlog.get_logger()

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    # A pretty traceback would print local variables, and those may hold tokens.
    pretty_exceptions_enable=False,
    help="From a bad release to service restored.",
    epilog="The day Slack is down: plan, run, resume, report. They need no SLACK_* variable.",
)
serving.register(cli)
working.register(cli)
looking.register(cli)
counting.register(cli)
examining.register(cli)
describing.register(cli)
freezing.register(cli)


def main() -> None:
    """Entry point of ``rollback-bot``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names from outside may hold what this terminal cannot show.
            stream.reconfigure(errors="backslashreplace")
    try:
        cli()
    except Ended:
        raise
    except SystemExit as ending:
        # For what cannot be understood, the library ends with 2: here, that is a blocked plan.
        raise SystemExit(Exit.ERROR if ending.code else Exit.DONE) from None
    except RollbackBotError as error:
        _say(here(str(error)))
        raise SystemExit(Exit.ERROR) from None
    except Exception as error:
        # The place of a defect is for those who can mend it; a token may stand in its words, which
        # only our own logging masks.
        if structlog.is_configured():
            log.debug("ended by a defect", exc_info=True)
        _say(
            f"This is a defect of the bot ({type(error).__name__}). What was begun stays recorded: "
            "“rollback-bot incidents” shows it. ROLLBACK_LOG_LEVEL=debug shows where it happened; "
            "report that, please."
        )
        raise SystemExit(Exit.ERROR) from None


def _say(text: str) -> None:
    make_console(errors=True).print(f"rollback-bot: {text}", soft_wrap=True)
