"""Incoming alerts: one message for each story, with a way to assess. An alert declares nothing."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from bot.alerts import cards as views
from bot.alerts.source import ALERT_SOURCES, Notification
from bot.assessment import assess
from bot.catalog.catalog import Catalog
from bot.communication.frame import stakeholder_channels
from bot.core.errors import TemporaryError
from bot.core.values import Facts
from bot.engine.context import Context
from bot.incident.alerts import Alert, Episode, Place, digest, episode_of, heard, taken_in
from bot.incident.state import Incident
from bot.store.delivery import Action, Delivery
from bot.store.values import Document

# Where a story about alerts is told, and the cards that tell it there.


def places(catalog: Catalog, episode: Episode, incident: Incident | None) -> tuple[Place, ...]:
    """Where the episode is told: where it was, and in an open incident's channel if any."""
    channel = incident.channel if incident else None
    if incident is not None and channel is not None:
        new = [Place(destination=f"slack:{channel.channel_id}", incident_id=incident.id)]
    elif episode.places:
        new = []
    else:
        names = _channels(catalog, episode.service)
        new = [Place(destination=f"slack:{name}") for name in names]
    return tuple(dict.fromkeys((*episode.places, *new)))


def _channels(catalog: Catalog, service: str) -> tuple[str, ...]:
    if catalog.alerts.channel:
        return (catalog.alerts.channel,)
    own = catalog.services[service].stakeholder_channels
    return own or stakeholder_channels(catalog, service)


def deliveries(episode: Episode, incident: Incident | None) -> list[Delivery]:
    """The episode's card in each of its places."""
    return [
        Delivery(
            id=f"alert/{episode.id}/{episode.version}/{place.destination}",
            incident_id=place.incident_id,
            destination=place.destination,
            action=Action.CARD,
            card=f"alert-{episode.id}",
            payload=views.alert_card(
                episode, incident=incident, here=bool(place.incident_id)
            ).payload(),
        )
        for place in episode.places
    ]


log = structlog.get_logger()

TURN = timedelta(seconds=10)
"""Longer than one notification's work takes; after this a dead process loses its turn."""
PATIENCE = 5.0
"""Seconds to wait for one's turn; the sender tries again."""
MOST_NAMES = 1000
"""Unknown services remembered, so that each is logged once."""


class Inbox:
    """Takes in notifications, whoever else does so at the same time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._logged: set[str] = set()

    async def receive(self, source: str, body: bytes) -> Facts:
        """Take in a source's notification; the answer says for each service what became of it.

        Raises RefusedError for a body that is no notification, TemporaryError when the store does
        not answer: the sender should try again.
        """
        notification = ALERT_SOURCES.get(source).parse(body)
        by_service, unknown = self._by_service(notification)
        results = [
            await self._take_in(service, digest(notification.group), alerts)
            for service, alerts in sorted(by_service.items())
        ]
        return {"status": "ok", "services": list(results), "unknown_services": list(unknown)}

    def _by_service(
        self, notification: Notification
    ) -> tuple[dict[str, list[Alert]], tuple[str, ...]]:
        """Alerts by the catalog's services, and the names that it does not have."""
        settings, known = self._context.catalog.alerts, self._context.catalog.services
        found: dict[str, list[Alert]] = defaultdict(list)
        unknown: dict[str, None] = {}
        for labels, alert in notification.alerts:
            label = labels.get(settings.service_label, "")
            service = settings.services.get(label, label)
            if service in known:
                found[service].append(alert)
            else:
                unknown[label[:100] or f"(no label {settings.service_label})"] = None
        for name in unknown:
            self._log_once(name)
        return found, tuple(unknown)

    def _log_once(self, name: str) -> None:
        if name in self._logged or len(self._logged) >= MOST_NAMES:
            return
        self._logged.add(name)
        log.warning(
            "an alert speaks of no service of the catalog",
            service=name,
            remedy="add the service, or its label's value to alerts.services",
        )

    async def _take_in(self, service: str, group: str, alerts: list[Alert]) -> Facts:
        async with self._turn(service):
            return await self._told(service, group, alerts)

    @asynccontextmanager
    async def _turn(self, service: str) -> AsyncIterator[None]:
        """One notification of a service at a time, over all processes."""
        store, clock = self._context.store, self._context.clock
        owner = f"alert/{uuid.uuid4().hex}"
        begun = clock.now()
        while True:
            lease = await store.acquire(f"alerts/{service}", owner=owner, ttl=TURN, now=clock.now())
            if lease is not None:
                break
            if (clock.now() - begun).total_seconds() > PATIENCE:
                raise TemporaryError(f"Alerts of {service} are being taken in.", "Send it again.")
            await clock.sleep(0.05)
        try:
            yield
        finally:
            # A sender that hangs up must not make the next one wait.
            await asyncio.shield(store.release(lease))

    async def _told(self, service: str, group: str, alerts: list[Alert]) -> Facts:
        context, now = self._context, self._context.clock.now()
        forget_after = context.catalog.alerts.forget_after
        before = episode_of(
            await assess.episodes(context),
            service=service,
            group=group,
            alerts=alerts,
            now=now,
            forget_after=forget_after,
        )
        if before is None:
            return _answer(service, "ignored", "an end was told of what never began")
        after = taken_in(before, alerts, now)
        incident = await self._open_incident(service)
        after = after.model_copy(
            update={
                "version": before.version + 1,
                "places": places(context.catalog, before, incident),
            }
        )
        # What is told and what is known of it are written together: another notification may come
        # first when this process dies here, and must not find its version taken.
        episode = Document(
            kind=assess.EPISODES,
            id=after.id,
            body=after.model_dump(mode="json"),
            expires_at=now + 2 * forget_after,
        )
        await assess.keep_prefill(context, views.prefill(after))
        await context.store.enqueue(deliveries(after, incident), now=now, documents=(episode,))
        await self._record(after)
        if incident is None and not after.places:
            log.warning("an alert has nowhere to be told", service=service)
            return _answer(service, "ignored", "no channel is named for alerts of this service")
        return _answer(service, _became(before, after, incident), "", incident)

    async def _record(self, episode: Episode) -> None:
        """Make it part of the incident that is open by now, and of those that know its alerts.

        Looked up only after the episode was kept: an incident that is declared meanwhile finds
        either the episode, or is found here.
        """
        told = [heard(alert) for alert in episode.alerts]
        incident = await self._open_incident(episode.service)
        knowing = [place.incident_id for place in episode.places if place.incident_id]
        for incident_id in dict.fromkeys([*([incident.id] if incident else []), *knowing]):
            await assess.record(self._context, incident_id, told)

    async def _open_incident(self, service: str) -> Incident | None:
        for head in await self._context.store.incidents(service=service, open_only=True, limit=1):
            return await self._context.journal.load(head.id)
        return None


def _became(before: Episode, after: Episode, incident: Incident | None) -> str:
    if not after.firing:
        return "resolved"
    if incident is not None:
        return "noted"
    return "updated" if before.version else "suggested"


def _answer(service: str, outcome: str, why: str, incident: Incident | None = None) -> Facts:
    facts: Facts = {"service": service, "outcome": outcome}
    if why:
        facts["why"] = why
    if incident is not None:
        facts["incident"] = incident.id
    return facts
