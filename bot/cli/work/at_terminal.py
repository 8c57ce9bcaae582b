"""What works on incidents without Slack: the journey itself, and what only looks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from bot.cli.work.options import Exit
from bot.cli.work.starting import prepared, run_to_exit
from bot.core.clock import SystemClock
from bot.core.defaults import ReportFormat
from bot.core.errors import RefusedError
from bot.core.printable import printable
from bot.entry.offline import Workplace, onlooker, records, workplace
from bot.execution.prepare import propose
from bot.freeze import freeze
from bot.freeze.cards import frozen_sentence, is_over
from bot.freeze.freeze import lift_at_terminal
from bot.incident.duties import is_proven
from bot.incident.events import PlanProposed
from bot.incident.state import Incident, Phase
from bot.terminal import archive
from bot.terminal.archive import statistics, statistics_json, statistics_view
from bot.terminal.journey import begin, go_on, say_goodbye
from bot.terminal.keyboard import InterruptedByOperatorError, make_console
from bot.terminal.live import LeftError, Seat, operator_of_this_machine, request_id
from bot.terminal.plans import plan_json, plan_view


def run(
    service: str,
    *,
    reason: str,
    strategy: str | None,
    to: str | None,
    only: Sequence[str],
    approved_by: str,
    config: Path,
) -> None:
    """From the plan to the proof, for one service."""

    async def journey(seat: Seat, place: Workplace) -> Incident:
        place.context.service(service)
        for one in (service, *_others(place, service)):
            place.measure(one)
        return await begin(
            seat,
            service=service,
            strategy=strategy,
            target=to,
            parts=tuple(only),
            reason=reason,
            approved_by=approved_by,
        )

    run_to_exit(_at_the_terminal(config, journey))


def resume(incident: str, *, to: str | None, approved_by: str, config: Path) -> None:
    """From where the incident stands."""

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
    return tuple(dict.fromkeys(name for target in targets for name in target.others))


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


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The plan that is asked for."""

    service: str
    strategy: str | None
    to: str | None
    only: Sequence[str]
    config: Path


def plan(wanted: Wanted, *, as_json: bool) -> None:
    """Show it to people, or to programs."""

    async def work() -> Exit:
        proposed = await _proposed(wanted)
        if as_json:
            typer.echo(plan_json(proposed))
        else:
            make_console().print(plan_view(proposed))
        return Exit.DONE if proposed.plan.is_safe else Exit.BLOCKED

    run_to_exit(work())


def script(wanted: Wanted) -> None:
    """Print it as commands for a shell."""

    async def work() -> Exit:
        proposed = await _proposed(wanted)
        typer.echo(proposed.plan.script(), nl=False)
        for block in proposed.plan.blocks:
            make_console(errors=True).print(f"Blocked: {block.sentence}", soft_wrap=True)
        return Exit.DONE if proposed.plan.is_safe else Exit.BLOCKED

    run_to_exit(work())


def incidents(*, only_open: bool, limit: int, config: Path) -> None:
    """List them as a table."""

    async def work() -> Exit:
        settings, catalog = prepared(config)
        async with onlooker(settings, catalog) as context:
            found = await archive.incidents(context, only_open=only_open, limit=limit)
            make_console().print(archive.table(found))
        return Exit.DONE

    run_to_exit(work())


def report(
    incident: str,
    *,
    output: Path,
    formats: Sequence[ReportFormat],
    afresh: bool,
    config: Path,
) -> None:
    """Write the files, and print where each is."""

    async def work() -> Exit:
        settings, catalog = prepared(config)
        async with onlooker(settings, catalog) as context:
            files = await archive.report_files(context, incident, formats=formats, afresh=afresh)
        for path in archive.write(files, output):
            make_console().print(str(path), soft_wrap=True)
        return Exit.DONE

    run_to_exit(work())


async def _proposed(wanted: Wanted) -> PlanProposed:
    settings, catalog = prepared(wanted.config)
    async with onlooker(settings, catalog) as context:
        chosen = context.strategy_for(wanted.service, wanted.strategy)
        return await propose(
            context, wanted.service, strategy=chosen, target=wanted.to, parts=wanted.only
        )


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


def stats(service: str | None, *, days: int, as_json: bool, config: Path) -> None:
    """Count over the last days, for one service or for all."""

    async def work() -> Exit:
        settings, catalog = prepared(config)
        async with onlooker(settings, catalog) as context:
            found = await statistics(context, service=service, days=days)
        if as_json:
            typer.echo(statistics_json(found))
        else:
            make_console().print(statistics_view(found))
        return Exit.DONE

    run_to_exit(work())
