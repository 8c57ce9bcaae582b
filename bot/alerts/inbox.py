"""Incoming alerts: one message for each story, with a way to assess. An alert declares nothing."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
from slack_sdk.models.blocks import Block, ButtonElement

from bot.alerts.source import ALERT_SOURCES, Notification
from bot.assessment import assess
from bot.catalog.catalog import Catalog
from bot.communication import ids
from bot.communication.blocks import Message, actions, button, compose, context, section
from bot.communication.frame import stakeholder_channels
from bot.communication.markup import channel, clean, clip, clock, inline, lines, moment, one_line
from bot.core.errors import TemporaryError
from bot.core.values import Facts, Instant
from bot.engine.context import Context
from bot.incident.alerts import (
    Alert,
    Episode,
    KnownAlert,
    Place,
    digest,
    episode_of,
    heard,
    taken_in,
)
from bot.incident.assessment import Prefill
from bot.incident.state import Incident
from bot.store.delivery import Action, Delivery
from bot.store.values import Document

# What is said of incoming alerts. Every word in them was written by strangers.

_SHOWN = 1_800
"""Characters of the list of alerts."""
DESCRIPTION = 1_200
"""Characters that an assessment begins with, so that a person can add to them."""


def alert_card(episode: Episode, *, incident: Incident | None, here: bool) -> Message:
    """One story about a service, updated in place; ``here`` is the open incident's own channel."""
    title = _title(episode)
    blocks: list[Block] = [section(f"*{title}*\n{_list(episode)}"), context(_count(episode))]
    if episode.firing and incident is None:
        blocks += actions([_assess(episode)])
        blocks.append(context("Nothing was declared. Assessing shows the live figures first."))
    elif episode.firing and not here and incident is not None:
        blocks.append(section(_join(incident)))
    elif episode.firing:
        blocks.append(
            context(
                "It is part of this incident's record, and changes nothing in it. If it speaks of "
                "something else than this rollback, say so here."
            )
        )
    else:
        blocks.append(context("Nothing has to be done."))
    return compose(f"{title} {_next(episode, incident)}", blocks)


def _title(episode: Episode) -> str:
    service = inline(episode.service, 60)
    firing = len(episode.firing)
    if not firing:
        return f"☑️ Alerts for {service} are over."
    return f"🔔 {firing} {'alert fires' if firing == 1 else 'alerts fire'} for {service}."


def _next(episode: Episode, incident: Incident | None) -> str:
    if not episode.firing:
        return "Nothing has to be done."
    if incident is not None:
        return f"{incident.id} is open."
    return f"Press “{_label(episode)}” or type {ids.COMMAND} {inline(episode.service, 60)}."


def _list(episode: Episode) -> str:
    shown = episode.firing or tuple(sorted(episode.alerts, key=lambda alert: alert.since))
    return lines([_line(alert) for alert in shown], _SHOWN, more="see the sender")


def _line(alert: KnownAlert) -> str:
    said = alert.said
    severity = f" ({inline(said.severity, 30)})" if said.severity else ""
    summary = f": {inline(said.summary, 300)}" if said.summary else ""
    values = f" [{inline(said.values, 150)}]" if said.values else ""
    when = f"since {moment(alert.since)}"
    if alert.over_at:
        when = f"{moment(alert.since)} to {moment(alert.over_at)}"
    return f"• *{inline(said.name, 100, empty='alert')}*{severity}, {when}{summary}{values}"


def _count(episode: Episode) -> str:
    told = f"Heard {episode.words} times" if episode.words > 1 else "Heard once"
    more = f" {episode.more} more alerts are not listed." if episode.more else ""
    over = f" Over since {moment(episode.over_at)}." if episode.over_at else ""
    return f"{told}, last {moment(episode.heard_at)}.{over}{more}"


def _label(episode: Episode) -> str:
    return f"Assess {episode.service}"


def _assess(episode: Episode) -> ButtonElement:
    return button(
        _label(episode),
        f"{ids.ASSESS}_{episode.service}",
        f"{episode.service} {episode.id}",
        style="primary",
    )


def _join(incident: Incident) -> str:
    opened = incident.channel
    where = f": join it in {channel(opened.channel_id, opened.channel_name)}" if opened else ""
    return f"*{incident.id}* is open for this service{where}."


def prefill(episode: Episode) -> Prefill:
    """What an assessment of these alerts begins with."""
    alerts = episode.firing or episode.alerts
    rates = [a.said.error_rate for a in alerts if a.said.error_rate is not None]
    latencies = [a.said.latency_ms for a in alerts if a.said.latency_ms is not None]
    told = "\n".join(_plain(alert) for alert in alerts)
    return Prefill(
        id=episode.id,
        service=episode.service,
        description=clip(f"Alerts since {_clock(episode.since)}:\n{told}", DESCRIPTION),
        error_rate=max(rates, default=None),
        latency_ms=max(latencies, default=None),
    )


def _clock(at: Instant) -> str:
    return f"{clock(at)} UTC"


def _plain(alert: KnownAlert) -> str:
    """For a text input, which shows everything as it is."""
    said = alert.said
    parts = [one_line(clean(part)) for part in (said.name or "alert", said.summary) if part]
    severity = f" ({one_line(said.severity)})" if said.severity else ""
    values = f" [{one_line(said.values)}]" if said.values else ""
    summary = f": {parts[1]}" if parts[1:] else ""
    return f"{parts[0]}{severity}{summary}{values}"


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
            payload=alert_card(episode, incident=incident, here=bool(place.incident_id)).payload(),
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
        await assess.keep_prefill(context, prefill(after))
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
