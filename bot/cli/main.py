"""The commands put together, and the code that each of them ends with."""

from __future__ import annotations

import io
import sys

import typer

from bot.cli import counting, describing, examining, freezing, looking, serving, work, working
from bot.cli.options import Ended, Exit

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
    except Exception as error:
        work.ending.tell(error)
        raise SystemExit(Exit.ERROR) from None
