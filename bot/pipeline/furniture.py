"""What an incident's channel is set up with: its topic, its bookmark."""

from __future__ import annotations

from collections.abc import Iterator

from bot.config.catalog import Catalog
from bot.domain.incident import Incident
from bot.ports.deliveries import Action, Delivery


def channel_setup(catalog: Catalog, incident: Incident) -> Iterator[Delivery]:
    """What is owed to a channel beside its messages; each of it may be missing."""
    channel = incident.channel
    if channel is None:
        return
    declared = incident.declared
    common = {
        "incident_id": incident.id,
        "destination": f"slack:{channel.channel_id}",
        "optional": True,
    }
    if channel.dedicated:
        topic = f"{incident.id}: rollback of {declared.service} {declared.bad_release}"
        yield Delivery(
            id=f"{incident.id}/topic", action=Action.TOPIC, payload={"topic": topic}, **common
        )
    entry = catalog.services.get(declared.service)
    if entry and entry.url:
        link = {"title": f"{declared.service} (live)", "link": str(entry.url)}
        yield Delivery(id=f"{incident.id}/bookmark", action=Action.BOOKMARK, payload=link, **common)
