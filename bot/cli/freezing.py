"""``frozen`` for pipelines, and ``unfreeze`` for people."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.adapters.clock import SystemClock
from bot.cli.options import (
    ConfigOption,
    Exit,
    ServiceArgument,
    prepared,
    run_to_exit,
)
from bot.config.settings import DEFAULT_CATALOG
from bot.errors import RefusedError
from bot.offline import records, workplace
from bot.pipeline import freeze
from bot.pipeline.unfreeze import lift_at_terminal
from bot.terminal.printing import make_console, printable
from bot.terminal.seat import operator_of_this_machine, request_id
from bot.views.freeze import frozen_sentence, is_over

ByOption = Annotated[
    str,
    typer.Option(
        "--by", help="Who decides: a release manager or on-call lead, as rollback.yml has them."
    ),
]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command()(frozen)
    cli.command()(unfreeze)


def frozen(service: ServiceArgument, config: ConfigOption = DEFAULT_CATALOG) -> None:
    """Say whether deploys of a service are frozen after a rollback; for pipelines.

    Ends with 0 when they are free, 5 when they are frozen, 1 when that cannot be told.
    """

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


def unfreeze(
    service: ServiceArgument, by: ByOption = "", config: ConfigOption = DEFAULT_CATALOG
) -> None:
    """Lift the deploy freeze of a service, and take its marks away.

    Ends with 0 when it is lifted, 1 when nothing was frozen or you may not.
    """

    async def work() -> Exit:
        settings, catalog = prepared(config)
        async with workplace(settings, catalog) as place:
            lifted = await lift_at_terminal(
                place.context,
                service,
                operator=operator_of_this_machine(),
                name=by.strip(),
                request_id=request_id(),
            )
        _say(
            f"Deploys of {service} may go on: the freeze of {lifted.incident_id} for "
            f"{lifted.release} is lifted."
        )
        return Exit.DONE

    run_to_exit(work())


def _say(text: str) -> None:
    make_console().print(printable(text), soft_wrap=True)
