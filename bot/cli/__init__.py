"""The command line: ``rollback-bot``."""

import gc

# Nothing that is imported is ever garbage. Looking for some meanwhile takes a tenth of the start,
# and looking through it later again and again would hold up clicks.
gc.disable()
from bot.cli.main import main  # noqa: E402 - the imports are what takes the time

gc.freeze()
gc.enable()

__all__ = ["main"]
