"""Conclude: people's last words, a second look at the recovery, and the report."""

from __future__ import annotations

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.values import Actor
from bot.pipeline import follow_up_state, reporting
from bot.pipeline.context import Context
from bot.pipeline.journal import Decision
from bot.pipeline.paperwork import do_round
from bot.ports.store import Lease


async def resolve(
    context: Context,
    incident_id: str,
    *,
    conclusion: e.Conclusion,
    actor: Actor,
    request_id: str,
) -> Incident:
    """End an incident. Raises RefusedError while something is running."""
    resolved = e.Resolved(by=actor, conclusion=conclusion)
    return await context.journal.record(
        incident_id, lambda _: Decision(events=(resolved,)), request_id=request_id
    )


async def add_words(
    context: Context, incident_id: str, *, text: str, actor: Actor, request_id: str
) -> Incident:
    """Keep a person's words for the next update."""
    added = e.WordsAdded(by=actor, text=text)
    return await context.journal.record(
        incident_id, lambda _: Decision(events=(added,)), request_id=request_id
    )


async def request_verification(
    context: Context, incident_id: str, *, actor: Actor, request_id: str
) -> Incident:
    """Have the recovery proven again on what is measured from now on."""
    requested = e.VerificationRequested(by=actor)
    return await context.journal.record(
        incident_id, lambda _: Decision(events=(requested,)), request_id=request_id
    )


async def conclude(context: Context, incident: Incident, lease: Lease) -> None:
    """Duty REPORT: the paperwork that the report should name, tried once; then the report.

    What fails is tried again afterwards, by the follow-up that is set up first.
    """
    await follow_up_state.set_up(context, incident)
    incident = await do_round(context, incident, lease)
    await reporting.report(context, incident, lease)
