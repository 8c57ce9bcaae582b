"""Conclude: people's last words, a second look at the recovery, and the report."""

from __future__ import annotations

from bot.core.values import Actor
from bot.engine.context import Context
from bot.engine.journal import Decision
from bot.incident import events as e
from bot.incident.state import Incident
from bot.paperwork import papers
from bot.paperwork.release_plan import do_round
from bot.reporting import publish
from bot.store.values import Lease


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
    await papers.set_up(context, incident)
    incident = await do_round(context, incident, lease)
    await publish.report(context, incident, lease)
