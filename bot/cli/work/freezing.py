"""``frozen``: asks the store alone."""

from __future__ import annotations

from pathlib import Path

from bot.adapters.clock import SystemClock
from bot.cli.options import Exit
from bot.cli.work.starting import prepared, run_to_exit
from bot.errors import RefusedError
from bot.pipeline import freeze
from bot.records import records
from bot.terminal.printing import make_console, printable
from bot.views.freeze import frozen_sentence, is_over


def frozen(service: str, *, config: Path) -> None:
    """Say it, and end with the code for pipelines."""

    async def work() -> Exit:
        settings, catalog = prepared(config)
        if service not in catalog.services:
            raise RefusedError(
                f"There is no service “{service}” in the catalog.",
                f"Known services: {', '.join(sorted(catalog.services))}.",
            )
        async with records(settings) as store:
            found = await freeze.standing(store, service)
        if found is None or is_over(found, SystemClock().now()):
            _say(f"Deploys of {service} are free.")
            return Exit.DONE
        _say(frozen_sentence(found, command=f"rollback-bot unfreeze {service}"))
        return Exit.FROZEN

    run_to_exit(work())


def _say(text: str) -> None:
    make_console().print(printable(text), soft_wrap=True)
