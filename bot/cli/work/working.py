"""``run`` and ``resume``: the whole journey at the terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bot.cli.options import Exit
from bot.cli.work.starting import prepared, run_to_exit
from bot.domain.incident import Incident, Phase
from bot.offline import Workplace, workplace
from bot.terminal.farewell import say_goodbye
from bot.terminal.journey import begin, go_on
from bot.terminal.keyboard import InterruptedByOperatorError
from bot.terminal.live import LeftError
from bot.terminal.seat import Seat
from bot.views.state import is_proven


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
