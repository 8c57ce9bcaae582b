"""The pinned card: where the incident stands, updated in place."""

from __future__ import annotations

from slack_sdk.models.blocks import Block, ButtonElement

from bot.communication import buttons, figures
from bot.communication.blocks import (
    Message,
    actions,
    compose,
    context,
    facts,
    header,
    listing,
    section,
)
from bot.communication.external import hold_buttons, told_outside
from bot.communication.figures import latest
from bot.communication.frame import Frame
from bot.communication.markup import day, escape, inline, moment, people, quote
from bot.communication.next_action import next_action
from bot.communication.state import (
    affected,
    checklist,
    eta,
    freeze_blocks,
    headline,
    lead,
    members,
    severity,
    target_release,
)
from bot.core.values import amount
from bot.incident.duties import next_update_at
from bot.incident.events import Role
from bot.incident.state import Incident


def status_card(incident: Incident, frame: Frame) -> Message:
    """Everything a person needs who comes in now."""
    said = headline(incident)
    action = next_action(incident, frame)
    blocks = [
        header(said),
        section(f"*Next:* {action}"),
        *facts(_facts(incident)),
        section(f"*Reason*\n{quote(incident.declared.decision.reason, 800)}"),
        *listing("Figures", latest(incident, frame)),
        *freeze_blocks(incident),
        *(listing("Prerequisites", _ticks(incident)) if incident.is_open else []),
        *_roles(incident),
        *listing("Told outside Slack", told_outside(incident)),
        *listing("Did not work, the journey goes on", _notes(incident), limit=2_500),
        context(_rhythm(incident, frame)),
        *actions([*buttons.for_status(incident), *_hold(incident, frame)]),
    ]
    return compose(f"{incident.id}: {escape(said)}\nNext: {action}", blocks)


def _hold(incident: Incident, frame: Frame) -> list[ButtonElement]:
    """Nothing to hold where the catalog names nobody outside, and nobody ever did."""
    return hold_buttons(incident) if frame.tells_customers or incident.outside else []


def _facts(incident: Incident) -> list[tuple[str, str]]:
    declared = incident.declared
    way = f"{figures.release(incident.bad_release)} → {figures.release(target_release(incident))}"
    method = incident.plan.strategy if incident.plan else declared.strategy or ""
    found = [
        ("Severity", severity(incident)),
        ("Service", inline(declared.service, 80)),
        ("Release", way),
        ("Method", inline(method, 80, empty="decided with the plan")),
        ("Incident lead", lead(incident)),
        ("Affected users", affected(incident)),
        ("Declared", f"{day(incident.opened_at)} by {people((declared.by,))}"),
        ("ETA", eta(incident)),
    ]
    if incident.resolved_at and incident.resolved_by:
        by = people((incident.resolved_by,))
        found.append(("Resolved", f"{day(incident.resolved_at)} by {by}"))
    return found


def _ticks(incident: Incident) -> list[str]:
    return [
        f"{'☑️' if done else '⬜'} {text}{'' if done else ' — open'}"
        for text, done in checklist(incident)
    ]


def _roles(incident: Incident) -> list[Block]:
    if incident.team is None:
        return [section("*Team*\nThe bot looks up who fills which role.")]
    told = [f"• {role.value}: {members(incident, role) or 'nobody yet'}" for role in Role]
    return listing("Team", told)


def _notes(incident: Incident) -> list[str]:
    # The newest first: older ones are the first to be folded away.
    return [
        f"• *{inline(note.subject, 80)}*: {inline(note.what)} {inline(note.remedy, empty='')}"
        for note in reversed(incident.notes)
    ]


def _rhythm(incident: Incident, frame: Frame) -> str:
    due = next_update_at(incident, frame.update_every)
    if due is None:
        return f"{incident.id} · updates have ended · the report has the whole story"
    # No time of drawing here: a card is sent again whenever it looks different.
    posted = f"{amount(incident.updates, 'update')} posted"
    return f"{incident.id} · {posted} · next update {moment(due)}"
