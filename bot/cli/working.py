"""``run`` and ``resume``: the whole journey at the terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.options import (
    ConfigOption,
    Exit,
    IncidentArgument,
    OnlyOption,
    ServiceArgument,
    StrategyOption,
    TargetOption,
    prepared,
    run_to_exit,
)
from bot.config.settings import DEFAULT_CATALOG
from bot.config.targets import ComposedTarget
from bot.domain.incident import Incident, Phase
from bot.errors import RefusedError
from bot.offline import Workplace, workplace
from bot.terminal.farewell import say_goodbye
from bot.terminal.journey import begin, go_on
from bot.terminal.keyboard import InterruptedByOperatorError
from bot.terminal.live import LeftError
from bot.terminal.seat import Seat
from bot.views.state import is_proven

ReasonOption = Annotated[
    str,
    typer.Option("--reason", help="Why, for the record and the report.", show_default=False),
]
ApprovedByOption = Annotated[
    str,
    typer.Option(
        "--approved-by",
        help="Who else agreed; only where the policy lets one person decide (self_approval).",
    ),
]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command()(run)
    cli.command()(resume)


def run(
    service: ServiceArgument,
    *,
    reason: ReasonOption,
    strategy: StrategyOption = None,
    to: TargetOption = None,
    only: OnlyOption = None,
    approved_by: ApprovedByOption = "",
    config: ConfigOption = DEFAULT_CATALOG,
) -> None:
    """Roll a service back from this terminal, approved here step by step as in Slack.

    Ctrl-C pauses at the next step boundary. Ends with 0 when recovery is proven, 2 when nothing
    was changed, 3 when it was paused or stopped, 4 when recovery is not proven, 1 on an error.
    """
    if not reason.strip():
        raise RefusedError("The reason is empty.", "Say why with --reason “…”: it is the record.")

    async def journey(seat: Seat, place: Workplace) -> Incident:
        place.context.service(service)
        for one in (service, *_others(place, service)):
            place.measure(one)
        return await begin(
            seat,
            service=service,
            strategy=strategy,
            target=to,
            parts=tuple(only or ()),
            reason=reason.strip(),
            approved_by=approved_by,
        )

    run_to_exit(_at_the_terminal(config, journey))


def resume(
    incident: IncidentArgument,
    to: TargetOption = None,
    approved_by: ApprovedByOption = "",
    config: ConfigOption = DEFAULT_CATALOG,
) -> None:
    """Go on with an incident where it stands: paused, interrupted, waiting, or unproven.

    It may have begun here or in Slack. Ends as “run” does.
    """

    async def journey(seat: Seat, place: Workplace) -> Incident:
        found = await place.context.journal.load(incident)
        for one in (found.declared.service, *_others(place, found.declared.service)):
            place.measure(one)
        return await go_on(seat, found.id, target=to, approved_by=approved_by)

    run_to_exit(_at_the_terminal(config, journey))


def _others(place: Workplace, service: str) -> tuple[str, ...]:
    """Services that a composed rollback of this one may be about too: they are judged as well."""
    entry = place.context.catalog.services.get(service)
    targets = entry.rollback if entry else ()
    found = [target.others for target in targets if isinstance(target, ComposedTarget)]
    return tuple(dict.fromkeys(name for names in found for name in names))


async def _at_the_terminal(
    config: Path, journey: Callable[[Seat, Workplace], Awaitable[Incident]]
) -> Exit:
    settings, catalog = prepared(config)
    async with workplace(settings, catalog) as place:
        seat = Seat(context=place.context, changes=place.changes, engine=place.engine)
        seen: list[Incident] = []
        place.changes.listen(seen.append)
        with seat.keyboard.listening():
            try:
                incident = await journey(seat, place)
            except (InterruptedByOperatorError, LeftError):
                if not seen:
                    seat.say("Left before anything began.")
                    return Exit.BLOCKED
                incident = await seat.context.journal.load(seen[-1].id)
        say_goodbye(seat, incident)
    return _code(incident)


def _code(incident: Incident) -> Exit:
    if incident.execution is None and incident.execution_started_at is None:
        return Exit.BLOCKED
    if is_proven(incident):
        return Exit.DONE
    if incident.judged is not None:
        return Exit.UNPROVEN
    return Exit.STOPPED if incident.phase is not Phase.RESOLVED else Exit.UNPROVEN
