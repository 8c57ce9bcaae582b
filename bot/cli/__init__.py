"""The command line: ``rollback-bot``."""

from bot.cli.main import main

__all__ = ["main"]
