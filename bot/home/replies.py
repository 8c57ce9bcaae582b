"""Answers to a command or a click, seen only by the person who asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from slack_sdk.models.blocks import Block

from bot.communication import ids
from bot.communication.blocks import (
    Message,
    actions,
    button,
    compose,
    context,
    facts,
    listing,
    section,
)
from bot.communication.markup import channel, code, day, escape, inline
from bot.communication.state import eta, headline
from bot.core.values import Instant, amount, seconds_between, spoken
from bot.home.model import Outcome, Statistics, recovery_told
from bot.home.statistics import figures, title
from bot.incident.events import Place
from bot.incident.state import Incident

_BEGIN = (
    f"• `{ids.COMMAND}` — choose a service",
    f"• `{ids.COMMAND} SERVICE` — assess a service; from there to a rollback or a watch",
)
MOST_CHOICES = 20
"""Buttons in one answer; more would have to be searched through."""
_SAFETY = "Assessing changes nothing. A rollback runs only after its plan was approved."


def help_reply(subcommands: Sequence[tuple[str, str]]) -> Message:
    """What can be typed: of every subcommand its usage, and what it does in a clause."""
    more = (f"• `{ids.COMMAND} {usage}` — {what}" for usage, what in subcommands)
    typed = (*_BEGIN, *more)
    blocks = [*listing("What you can type", typed), context(_SAFETY)]
    return compose("\n".join(("What you can type:", *typed)), blocks)


def choose_service(known: Sequence[str]) -> Message:
    """A button for every service, for a command that named none."""
    if not known:
        said = "The catalog names no service: ask whoever keeps `rollback.yml`."
        return compose(said, [section(said)])
    said = "Which service is in trouble?"
    shown = known[:MOST_CHOICES]
    row = [button(name, f"{ids.ASSESS}_{name}", name) for name in shown]
    rest = len(known) - len(shown)
    more = f" {rest} more services can only be typed." if rest else ""
    typing = f"You can also type it: `{ids.COMMAND} {shown[0]}`.{more}"
    blocks = [section(f"*{said}*"), *actions(row), context(typing, _SAFETY)]
    return compose(f"{said} {typing}", blocks)


def status_reply(incidents: Sequence[Incident], now: Instant) -> Message:
    """The open incidents."""
    if not incidents:
        said = f"No incident is open. `{ids.COMMAND} SERVICE` assesses a service."
        return compose(said, [section(said)])
    told = [_open(incident, now) for incident in incidents]
    more = f"type `{ids.COMMAND} history`"
    said = amount(len(incidents), "open incident")
    blocks = [*listing(said, told, most=3, more=more), context("Join a channel to help there.")]
    return compose(f"{said}: {_names(incidents)}", blocks)


def history_reply(
    incidents: Sequence[Incident],
    now: Instant,
    *,
    outcomes: Mapping[str, Outcome] | None = None,
    statistics: Statistics | None = None,
) -> Message:
    """Incidents of the past, in the order given, and what they say together."""
    counted = _counted(statistics) if statistics else []
    if not incidents:
        of = f" of {inline(statistics.service)}" if statistics and statistics.service else ""
        said = f"There has been no incident{of} yet. `{ids.COMMAND} SERVICE` assesses a service."
        return compose(said, [section(said), *counted])
    told = [_past(incident, now, (outcomes or {}).get(incident.id)) for incident in incidents]
    said = f"The last {len(incidents)} incidents" if len(incidents) > 1 else "The last incident"
    more = "older ones are in their channels"
    blocks = [
        *counted,
        *listing(said, told, most=3, more=more),
        context("Join a channel to read its report."),
    ]
    return compose(f"{said}: {_names(incidents)}", blocks)


def _counted(statistics: Statistics) -> list[Block]:
    """The numbers, and beside them what is not known and why."""
    pairs = [(name, escape(value)) for name, value in figures(statistics)]
    blocks = [section(f"*{inline(title(statistics))}*"), *facts(pairs)]
    unknown = [f"• {inline(reason, 250)}" for reason in statistics.unknown]
    return [*blocks, *listing("Not known", unknown, limit=1_200, more="see docs/home.md")]


def unknown_service(name: str, known: Sequence[str]) -> Message:
    """A service that the catalog does not name, with those that were perhaps meant."""
    close = get_close_matches(name, known, n=3, cutoff=0.5)
    said = f"🚫 The catalog has no service {code(name, 100)}."
    if close:
        said += f" Did you mean {' or '.join(code(one, 60) for one in close)}?"
    elif not known:
        said += " It names no service at all: ask whoever keeps `rollback.yml`."
    told = [f"• {code(f'{ids.COMMAND} {one}', 80)}" for one in sorted(known)]
    more = "see `rollback.yml`"
    return compose(said, [section(said), *listing("Services", told, limit=2_000, more=more)])


def _open(incident: Incident, now: Instant) -> str:
    where = _where(incident, " in ")
    age = spoken(max(0.0, (now - incident.opened_at).total_seconds()))
    return f"• *{incident.id}*{where}, open for {age}: {_headline(incident)} (ETA: {eta(incident)})"


def _past(incident: Incident, now: Instant, outcome: Outcome | None) -> str:
    lasted = seconds_between(incident.opened_at, incident.resolved_at or now) or 0.0
    state = "lasted" if incident.resolved_at else "open for"
    where = _where(incident, " ")
    return (
        f"• *{incident.id}*{where}, {day(incident.opened_at)}, {state} {spoken(max(0.0, lasted))}: "
        f"{_headline(incident)}{f' ({recovery_told(outcome)})' if outcome else ''}"
    )


def _where(incident: Incident, before: str) -> str:
    if incident.declared.place is Place.TERMINAL:
        return " at the terminal"
    opened = incident.channel
    return f"{before}{channel(opened.channel_id, opened.channel_name)}" if opened else ""


def _headline(incident: Incident) -> str:
    return escape(headline(incident))


def _names(incidents: Sequence[Incident]) -> str:
    shown = ", ".join(incident.id for incident in incidents[:20])
    return shown if len(incidents) <= 20 else f"{shown} and {len(incidents) - 20} more"
