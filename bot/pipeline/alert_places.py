"""Where a story about alerts is told, and the cards that tell it there."""

from __future__ import annotations

from bot.config.catalog import Catalog
from bot.domain.alerts import Episode, Place
from bot.domain.incident import Incident
from bot.pipeline.frames import stakeholder_channels
from bot.ports.deliveries import Action, Delivery
from bot.views import alerts as views


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
