"""What is known of alerts, for whoever begins or keeps an incident's record."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain import events as e
from bot.domain.alerts import Episode
from bot.domain.detection import HeardAlert, heard, news
from bot.domain.incident import Incident
from bot.pipeline.context import Context
from bot.pipeline.journal import Decision

KIND = "alert"
"""The kind of document that one episode is."""


async def episodes(context: Context) -> list[Episode]:
    """Every episode that is kept, of every service."""
    documents = await context.store.documents(KIND)
    return [Episode.model_validate(document.body) for document in documents]


async def firing(
    context: Context, service: str, *, opened_from: str = ""
) -> tuple[HeardAlert, ...]:
    """The service's alerts that fire now, the oldest first.

    ``opened_from`` is the id of the episode that somebody acts on: its alerts count also when
    they have just ended.
    """
    now, forget_after = context.clock.now(), context.catalog.alerts.forget_after
    found: dict[str, HeardAlert] = {}
    for episode in await episodes(context):
        # Without a word for so long, nobody knows whether it fires still.
        if episode.service != service or now - episode.heard_at >= forget_after:
            continue
        alerts = episode.firing
        if episode.id == opened_from:
            alerts = alerts or episode.alerts
        for alert in map(heard, alerts):
            known = found.setdefault(alert.fingerprint, alert)
            if alert.started_at < known.started_at:
                found[alert.fingerprint] = alert
    return tuple(sorted(found.values(), key=lambda alert: alert.started_at))


async def record(context: Context, incident_id: str, told: Sequence[HeardAlert]) -> None:
    """Write down what the incident has not heard of yet; nothing when it knows everything.

    Raises as ``Journal.record`` does. It may be repeated, and by several processes at once.
    """

    def decide(incident: Incident) -> Decision | None:
        found = news(
            incident.alerts, told, since=incident.declared.assessed_at, is_open=incident.is_open
        )
        return Decision(events=(e.AlertReceived(alerts=found),)) if found else None

    await context.journal.record(incident_id, decide)
