"""The home tab: what is open, what waits for the person, what was, and where to begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from bot.domain.incident import Incident
from bot.domain.statistics import Outcome, Statistics, recovery_told
from bot.domain.values import Value
from bot.domain.waiting import ActionToDo, DraftToSend, PlanToApprove, Waiting
from bot.views import ids
from bot.views.frame import Frame
from bot.views.kit import actions, button, context, divider, facts, header, listing, section
from bot.views.markup import channel, day, escape, inline, moment
from bot.views.state import eta, headline, next_action
from bot.views.statistics import figures, title

SHOWN_OPEN = 15
ROW = 25
"""Buttons in one row."""
ROWS = 3
MOST_BLOCKS = 100
"""Slack's limit for a view; what is above cannot come near it."""


class OpenIncident(Value):
    """An open incident with the settings of its service."""

    incident: Incident
    frame: Frame


class PastIncident(Value):
    """An incident that is over."""

    incident: Incident
    outcome: Outcome


class Home(Value):
    """Everything on one person's home tab."""

    waiting: Waiting
    open: tuple[OpenIncident, ...]
    more_open: int = 0
    past: tuple[PastIncident, ...]
    statistics: Statistics
    services: tuple[str, ...]


def home_view(home: Home) -> dict[str, Any]:
    """The view as ``views.publish`` takes it; the same home gives the same view."""
    blocks = [
        *_waiting(home.waiting),
        *_open(home),
        *_services(home.services),
        *_statistics(home.statistics),
        *_past(home.past),
    ]
    drawn: dict[str, Any] = View(type="home", blocks=blocks[:MOST_BLOCKS]).to_dict()
    return drawn


def _waiting(waiting: Waiting) -> list[Block]:
    told = [
        *map(_plan, waiting.plans),
        *map(_draft, waiting.drafts),
        *map(_action, waiting.actions),
    ]
    blocks = [header("What waits for you")]
    if told:
        blocks += listing("You can act on", told, more="see the channels of the incidents")
    else:
        blocks.append(section("Nothing waits for you."))
    return [*blocks, *(context(f"⚠️ {inline(problem, 400)}") for problem in waiting.problems[:3])]


def _plan(item: PlanToApprove) -> str:
    plan = item.incident.plan
    way = f" {inline(plan.from_release, 60)} → {inline(plan.to_release, 60)}" if plan else ""
    told = f"• 🔵 {_named(item.incident)}: read the plan{way} and approve or reject it"
    if item.from_at is None:
        return f"{told}."
    return f"{told}; your approval counts from {moment(item.from_at)} on."


def _draft(item: DraftToSend) -> str:
    names = ", ".join(message.value for message in item.messages)
    return f"• ✉️ {_named(item.incident)}: read, send or discard the message to customers ({names})."


def _action(item: ActionToDo) -> str:
    return f"• 🔧 {_named(item.incident)}: {inline(item.action.spoken, 300)}"


def _named(incident: Incident) -> str:
    opened = incident.channel
    where = f" in {channel(opened.channel_id, opened.channel_name)}" if opened else ""
    return f"*{incident.id}* {inline(incident.declared.service, 60)}{where}"


def _open(home: Home) -> list[Block]:
    blocks: list[Block] = [divider(), header("Open incidents")]
    if not home.open:
        return [*blocks, section("No incident is open.")]
    for item in home.open[:SHOWN_OPEN]:
        incident = item.incident
        blocks.append(section(f"{_named(incident)}\n{escape(headline(incident))}"))
        since = f"Since {day(incident.opened_at)}. ETA: {eta(incident)}."
        blocks.append(context(f"Next: {next_action(incident, item.frame)}", since))
    more = len(home.open) - SHOWN_OPEN + home.more_open
    if more > 0:
        blocks.append(context(f"{more} more are open: type `{ids.COMMAND} status`."))
    return blocks


def _services(names: Sequence[str]) -> list[Block]:
    shown = names[: ROW * ROWS]
    blocks: list[Block] = [divider(), header("Assess a service")]
    for start in range(0, len(shown), ROW):
        row = shown[start : start + ROW]
        blocks += actions([button(name, f"{ids.ASSESS}_{name}", name) for name in row])
    rest = len(names) - len(shown)
    more = f" {rest} more can be typed: `{ids.COMMAND} SERVICE`." if rest else ""
    safe = "Assessing changes nothing. A rollback runs only after its plan was approved."
    return [*blocks, context(f"{safe}{more}")]


def _statistics(found: Statistics) -> list[Block]:
    blocks: list[Block] = [divider(), header("How releases fare"), context(inline(title(found)))]
    blocks += facts((name, escape(value)) for name, value in figures(found))
    unknown = [f"• {inline(reason, 250)}" for reason in found.unknown]
    return [*blocks, *listing("Not known", unknown, limit=1_500, more="see docs/home.md")]


def _past(past: Sequence[PastIncident]) -> list[Block]:
    blocks: list[Block] = [divider(), header("Past incidents")]
    if not past:
        return [*blocks, section("There has been none yet.")]
    told = [_over(item) for item in past]
    more = f"type `{ids.COMMAND} history`"
    return [*blocks, *listing("The last ones", told, most=3, more=more)]


def _over(item: PastIncident) -> str:
    incident = item.incident
    verdict = incident.declared.verdict
    return (
        f"• {_named(incident)}, {day(incident.opened_at)}, {verdict.kind.value} "
        f"({verdict.severity.priority}): {recovery_told(item.outcome)}. "
        f"{escape(headline(incident))}"
    )
