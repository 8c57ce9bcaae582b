"""Declare: the decision is recorded, and the incident exists from then on."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from bot.assessment import assess
from bot.assessment.figures import measure
from bot.core.errors import FeatureUnavailableError, PermanentError, RefusedError
from bot.core.values import Actor
from bot.engine.context import Context
from bot.incident import events as e
from bot.incident.assessment import Assessment, Figures, decide
from bot.incident.state import Incident, Phase
from bot.judge.counts import error_limit
from bot.store.values import Lease

# Plans over several services: what each brings along, and nobody else at the same time.
#
# An incident claims its own service by the store. Other services of its plan are claimed by the
# plan itself, as the events have it: whoever wants one of them looks for plans that are about it,
# and an execution looks again after it has said that it begins. Of two that begin at once at
# least
# one therefore sees the other, before either has changed anything.

_HARMLESS = frozenset({Phase.REJECTED, Phase.PLANNING_FAILED})
"""Nothing runs, and nothing that ran is being judged."""


async def check_free(context: Context, service: str) -> None:
    """Refuse an incident of a service that another incident's plan is about.

    Raises RefusedError naming that incident.
    """
    for rival in await rivals(context, (service,), own=service):
        raise RefusedError(
            clash_text(rival, (service,)), f"Join {rival.id}, or wait until it is resolved."
        )


async def rivals(context: Context, services: Iterable[str], *, own: str) -> tuple[Incident, ...]:
    """Open incidents of other services that are about one of these; ``own`` has only one."""
    wanted = frozenset(services)
    # Whose incidents they can be: the services' own, and those whose plans may reach so far.
    owners = wanted.union(*(context.catalog.composed_over(service) for service in wanted))
    found = []
    for owner in sorted(owners - {own}):
        for head in await context.store.incidents(service=owner, open_only=True):
            incident = await context.journal.load(head.id)
            if wanted & claimed_services(incident):
                found.append(incident)
    return tuple(found)


def claimed_services(incident: Incident) -> frozenset[str]:
    own = frozenset({incident.declared.service})
    if incident.plan is None or incident.phase in _HARMLESS:
        return own
    return own | frozenset(incident.plan.services)


def clash_text(rival: Incident, services: Iterable[str]) -> str:
    shared = ", ".join(sorted(frozenset(services) & claimed_services(rival)))
    if rival.declared.service in frozenset(services):
        return f"{rival.declared.service} has an open incident of its own, {rival.id}."
    return f"{rival.id} is about {shared} too: its plan rolls {shared} back."


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
    await check_free(context, draft.service)
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
    await check_free(context, service)
    assessed_at = context.clock.now()
    alerts = await assess.firing(context, service)
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
        await assess.record(context, incident.id, await assess.firing(context, service))
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
