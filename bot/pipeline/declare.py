"""Declare: the decision is recorded, and the incident exists from then on."""

from __future__ import annotations

import uuid

from bot.domain import events as e
from bot.domain.assessment import Assessment, Figures, decide
from bot.domain.incident import Incident
from bot.domain.recovery import error_limit
from bot.domain.values import Actor
from bot.errors import FeatureUnavailableError, PermanentError, RefusedError
from bot.pipeline import assess, episodes, several
from bot.pipeline.context import Context
from bot.pipeline.figures import measure
from bot.ports.store import Lease


async def declare(
    context: Context,
    *,
    draft_id: str,
    decision: e.Decision,
    actor: Actor,
    target_release: str | None,
    request_id: str,
) -> Incident:
    """Begin the incident that a draft has led to.

    Raises RefusedError when the draft is gone or incomplete or the service has an open incident.
    """
    draft = await assess.load(context, draft_id)
    if draft.assessment is None or draft.verdict is None:
        raise RefusedError("The assessment is not complete.", "Type `/rollback` again.")
    bad = draft.assessment.figures.current_release or "unknown release"
    declared = e.Declared(
        service=draft.service,
        bad_release=bad,
        target_release=target_release,
        assessment=draft.assessment,
        verdict=draft.verdict,
        decision=decision,
        by=actor,
        asked_in=draft.asked_in,
        assessed_at=draft.opened_at,
        alerts=draft.alerts,
        error_limit=_limit(context, draft.service, draft.assessment.figures),
    )
    # The draft's id makes the declaration unique whatever Slack redelivers.
    request = f"declare/{draft_id}" if draft_id else request_id
    await several.check_free(context, draft.service)
    return await context.journal.declare(declared, request_id=request)


async def declare_at_terminal(
    context: Context,
    *,
    service: str,
    strategy: str | None,
    target_release: str | None,
    reason: str,
    operator: Actor,
    parts: tuple[str, ...] = (),
) -> Incident:
    """Begin an incident without Slack: the figures are measured, the rest is the reason given.

    Raises RefusedError for an unknown service or strategy, and when the service has an open
    incident.
    """
    context.strategy_for(service, strategy)
    await several.check_free(context, service)
    assessed_at = context.clock.now()
    alerts = await episodes.firing(context, service)
    figures = await measure(context, service, strategy=strategy)
    assessment = Assessment(service=service, figures=figures, description=reason)
    declared = e.Declared(
        service=service,
        bad_release=figures.current_release or "unknown release",
        target_release=target_release,
        strategy=strategy,
        parts=parts,
        assessment=assessment,
        verdict=decide(assessment, context.service(service).thresholds),
        decision=e.Decision(reason=reason, affected_users="", alternatives="", rationale=""),
        by=operator,
        asked_in="",
        assessed_at=assessed_at,
        place=e.Place.TERMINAL,
        alerts=alerts,
        error_limit=_limit(context, service, figures),
    )
    return await context.journal.declare(declared, request_id=f"terminal/{uuid.uuid4().hex}")


def _limit(context: Context, service: str, figures: Figures) -> float | None:
    """What the service's own policy takes for healthy, kept for the report's sake."""
    if figures.baseline_error_rate is None:
        return None
    return error_limit(figures.baseline_error_rate, context.catalog.verification_of(service).judge)


async def assemble(context: Context, incident: Incident, lease: Lease) -> None:
    """Duty ASSEMBLE: give the incident a channel, unless it runs at a terminal, and its team."""
    if not incident.has_place:
        opened = await _open_channel(context, incident)
        incident = await context.journal.add(incident.id, opened, lease=lease)
    if incident.team is None:
        # An alert that came in while the form was filled in, or at the very moment of the
        # declaration, found no incident to be recorded in.
        service = incident.declared.service
        await episodes.record(context, incident.id, await episodes.firing(context, service))
        await context.journal.add(incident.id, *await _team(context), lease=lease)


async def _open_channel(context: Context, incident: Incident) -> e.ChannelOpened:
    name = f"{incident.id}-{incident.declared.service}".lower()
    try:
        room = await context.chat.open_channel(name, since=incident.opened_at)
    except FeatureUnavailableError as error:
        return e.ChannelOpened(
            channel_id=incident.declared.asked_in,
            channel_name="",
            dedicated=False,
            note=f"{error.what} The incident runs here. {error.remedy}".strip(),
        )
    return e.ChannelOpened(channel_id=room.id, channel_name=room.name)


async def _team(context: Context) -> tuple[e.AnyEvent, ...]:
    assignments, notes = [], []
    for role in e.Role:
        references = context.catalog.people.roles.get(role, ())
        try:
            found = await context.chat.resolve(references)
        except PermanentError as error:
            notes.append(e.Noted(subject=role.value, what=error.what, remedy=error.remedy))
            assignments.append(e.RoleAssignment(role=role, people=()))
            continue
        assignments.append(e.RoleAssignment(role=role, people=found.people))
        notes.extend(
            e.Noted(
                subject=f"{role.value}: {problem}",
                what=problem,
                remedy="Correct people.roles in rollback.yml; invite the person by hand now.",
            )
            for problem in found.problems
        )
    return (e.TeamAssigned(roles=tuple(assignments)), *notes)
