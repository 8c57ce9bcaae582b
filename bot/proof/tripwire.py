"""The tripwire: after a proven recovery, say so when the withdrawn release comes back.

Every wire has an identity of its own, so that a look which takes its time takes down what it
looked at, and never what a newer recovery has laid meanwhile. Of a service only the newest counts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from bot.clouds.kubernetes.workloads import same_release
from bot.communication import announcements
from bot.communication.notices import notices
from bot.core.backoff import within
from bot.core.errors import RollbackBotError
from bot.core.values import Instant, Value
from bot.engine.context import Context
from bot.engine.engine import each
from bot.incident.state import Incident
from bot.store.values import Document

log = structlog.get_logger()

KIND = "tripwire"
PATIENCE = timedelta(seconds=30)
"""So long one look may take; the next round looks again."""


class Tripwire(Value):
    """A withdrawn release that should stay withdrawn."""

    service: str
    release: str
    strategy: str
    incident_id: str
    channels: tuple[str, ...]
    """Where it is said when the release comes back."""
    until: Instant
    laid_at: Instant | None = None
    """When its recovery was proven; None for one that an older bot has laid."""

    @property
    def id(self) -> str:
        """Of its document; older bots had one a service."""
        if self.laid_at is None:
            return self.service
        return f"{self.service}/{self.incident_id}/{self.laid_at.timestamp():.6f}"


def wires_of(
    context: Context, incident: Incident, channels: tuple[str, ...]
) -> tuple[Document, ...]:
    """Watch for the releases that a recovered incident has withdrawn; one wire a service.

    An incident at a terminal has no channel: its stakeholders are told, by the bot that serves.
    """
    if incident.plan is None:
        return ()
    own = (incident.channel.channel_id,) if incident.channel else ()
    now = context.clock.now()
    wires = [
        Tripwire(
            service=part.service,
            release=part.from_release,
            strategy=part.strategy,
            incident_id=incident.id,
            channels=tuple(dict.fromkeys((*own, *channels))),
            until=now + context.catalog.tripwire_for,
            laid_at=now,
        )
        for part in incident.plan.moved
    ]
    return tuple(
        Document(kind=KIND, id=wire.id, body=wire.model_dump(mode="json"), expires_at=wire.until)
        for wire in wires
    )


async def take_down(context: Context, service: str) -> None:
    """Stop watching: people have decided to bring the release back."""
    for document in await context.store.documents(KIND):
        if document.body.get("service") == service:
            await context.store.delete(KIND, document.id)


async def look(context: Context) -> None:
    """Look at every wire once; called by the scheduler. One failing look stops no other."""
    await each(context, KIND, Tripwire, _look_at)


async def _look_at(context: Context, wire: Tripwire) -> None:
    now = context.clock.now()
    entry = context.catalog.services.get(wire.service)
    if entry is None or now >= wire.until or await _is_replaced(context, wire):
        await context.store.delete(KIND, wire.id)
        return
    observing = context.strategy(wire.strategy).observe(entry, context.world)
    observed = await within(PATIENCE, observing, "The live system")
    if isinstance(observed, RollbackBotError):
        raise observed
    if not same_release(observed.live_release, wire.release):
        return
    log.warning("the withdrawn release is back", service=wire.service, release=wire.release)
    message = announcements.came_back(
        wire.service, wire.release, wire.incident_id, seen=observed.summary
    )
    identity = f"{wire.incident_id}/came-back/{wire.service}/{wire.until.timestamp():.6f}"
    await context.store.enqueue(notices(identity, message, wire.channels), now=now)
    await context.store.delete(KIND, wire.id)


async def _is_replaced(context: Context, wire: Tripwire) -> bool:
    """Whether a newer recovery of the service has laid another wire."""
    bodies = [document.body for document in await context.store.documents(KIND)]
    # Read without its model: what another version has written must not hold up this wire.
    laid = [body.get("laid_at") for body in bodies if body.get("service") == wire.service]
    moments = [datetime.fromisoformat(moment) for moment in laid if isinstance(moment, str)]
    return any(wire.laid_at is None or moment > wire.laid_at for moment in moments)
