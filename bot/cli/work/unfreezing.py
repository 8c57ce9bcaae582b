"""``unfreeze``: on the record, and on the live system."""

from __future__ import annotations

from pathlib import Path

from bot.cli.options import Exit
from bot.cli.work.starting import prepared, run_to_exit
from bot.offline import workplace
from bot.pipeline.unfreeze import lift_at_terminal
from bot.terminal.printing import make_console, printable
from bot.terminal.seat import operator_of_this_machine, request_id


def unfreeze(service: str, *, by: str, config: Path) -> None:
    """Lift the freeze, as the one who types or as whom they name."""

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
        said = (
            f"Deploys of {service} may go on: the freeze of {lifted.incident_id} for "
            f"{lifted.release} is lifted."
        )
        make_console().print(printable(said), soft_wrap=True)
        return Exit.DONE

    run_to_exit(work())
