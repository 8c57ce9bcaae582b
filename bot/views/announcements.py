"""The first words of an incident: to the team, to the stakeholders, to those who may approve."""

from __future__ import annotations

from slack_sdk.models.blocks import Block

from bot.domain.events import ChannelOpened, Role
from bot.domain.incident import Incident
from bot.domain.values import spoken
from bot.views import figures
from bot.views.frame import Frame
from bot.views.kit import compose, context, facts, header, listing, section
from bot.views.markup import day, escape, inline, people, plain, quote
from bot.views.message import Message
from bot.views.next_action import next_action, until_when, who_approves
from bot.views.prose import prose
from bot.views.state import affected, eta, journey, severity, target_release
from bot.views.team import lead, members, unfilled
from bot.views.telling import in_slack, interval
from bot.views.texts import Texts


def announcement(
    incident: Incident,
    frame: Frame,
    *,
    eta_seconds: float | None = None,
    texts: Texts | None = None,
) -> Message:
    """The declaration in the incident's channel (procedure 1.2 and 1.3)."""
    said = _title(incident)
    promise = f"All hands on deck. {_rhythm(frame)}"
    blocks = [
        header(said),
        *facts(_facts(incident, eta_seconds)),
        *prose("announcement.mrkdwn.j2", in_slack(incident, frame), texts),
        *_decision(incident),
        *_seen(incident),
        *_where(incident.channel),
        context(f"{incident.id} · what happens next: {next_action(incident, frame)}"),
    ]
    return compose(f"{escape(said)}\n{_reason(incident)}\n{promise}", blocks)


def stakeholder_announcement(
    incident: Incident,
    frame: Frame,
    *,
    eta_seconds: float | None = None,
    texts: Texts | None = None,
) -> Message:
    """The declaration for those who are informed."""
    said = _title(incident)
    blocks = [
        header(said),
        *facts(_facts(incident, eta_seconds)),
        *prose("stakeholder_announcement.mrkdwn.j2", in_slack(incident, frame), texts),
        context(incident.id),
    ]
    return compose(f"{escape(said)}\n{_reason(incident)}\n{_rhythm(frame)}", blocks)


def team_assembled(incident: Incident, frame: Frame, *, texts: Texts | None = None) -> Message:
    """Who fills which role, and what to do about roles that nobody fills."""
    said = "Incident team assembled. Beginning the rollback."
    missing = unfilled(incident)
    if missing:
        said = "Incident team assembled, not complete. Beginning the rollback."
    told = [f"• *{role.value}*: {members(incident, role) or 'nobody yet'}" for role in Role]
    blocks = [
        *prose("team.mrkdwn.j2", in_slack(incident, frame), texts),
        *listing("Roles", told),
    ]
    if missing:
        names = ", ".join(role.value for role in missing)
        blocks.append(
            section(
                f"*Nobody yet:* {names}. {lead(incident)}: name somebody here and invite them "
                "with `/invite`; for the next time, add them to `people.roles` in `rollback.yml`."
            )
        )
    blocks.append(context(f"{incident.id} · next: {next_action(incident, frame)}"))
    gap = f" Nobody yet: {', '.join(role.value for role in missing)}." if missing else ""
    return compose(f"{said}{gap}", blocks)


def escalated(incident: Incident, frame: Frame) -> Message:
    """Nobody approved in time: on-call leads may do so from now on."""
    said = f"⏰ Still no approval for {journey(incident)}: on-call leads may approve now."
    asked = f"{who_approves(incident, frame)} {until_when(incident, frame)}".strip()
    minutes = spoken(frame.approval.escalate_after_seconds)
    blocks = [
        section(f"*{escape(said)}*"),
        section(asked),
        context(f"{incident.id} · release managers did not answer within {minutes}"),
    ]
    return compose(f"{escape(said)}\n{asked}", blocks)


def _title(incident: Incident) -> str:
    service = plain(incident.declared.service, 40)
    return f"🚨 INCIDENT: initiating rollback of {service} {plain(incident.bad_release, 60)}"


def _reason(incident: Incident) -> str:
    reason = inline(incident.declared.decision.reason, 400)
    return f"{severity(incident)}. Reason: {reason}"


def _rhythm(frame: Frame) -> str:
    return f"Updates every {interval(frame)}."


def _facts(incident: Incident, eta_seconds: float | None) -> list[tuple[str, str]]:
    target = target_release(incident)
    action = (
        f"Rolling back to {figures.release(target)}"
        if target
        else "Rolling back to the last known good release"
    )
    expected = f"about {spoken(eta_seconds)} of steps" if eta_seconds is not None else eta(incident)
    return [
        ("Severity", severity(incident)),
        ("Affected", affected(incident)),
        ("Action", action),
        ("ETA", expected),
        ("Incident lead", lead(incident)),
        ("Time", day(incident.opened_at)),
    ]


def _decision(incident: Incident) -> list[Block]:
    decision = incident.declared.decision
    told = [
        f"• Decided by: {people((incident.declared.by,))}",
        f"• Alternatives considered: {inline(decision.alternatives, 400, empty='none')}",
        f"• Why a rollback: {inline(decision.rationale, 800)}",
    ]
    return listing("Decision", told)


def _seen(incident: Incident) -> list[Block]:
    declared = incident.declared
    found = declared.assessment.figures
    told = [
        f"• Error rate: {figures.error_rate(found)}",
        f"• Response time: {figures.latency(found)}",
        *figures.reasons(declared.verdict),
        *figures.gaps(found),
    ]
    if declared.assessment.description.strip():
        told.append(quote(declared.assessment.description, 700))
    return listing("What is seen", told)


def _where(opened: ChannelOpened | None) -> list[Block]:
    if opened is None or opened.dedicated:
        return []
    return [section(f"⚠️ *This incident has no channel of its own.* {inline(opened.note, 600)}")]
