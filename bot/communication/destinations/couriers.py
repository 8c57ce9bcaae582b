"""The couriers to all kinds of destination."""

from __future__ import annotations

from bot.catalog.catalog import Catalog
from bot.communication.destinations.base import CourierAccess
from bot.incident.external import DESTINATIONS
from bot.store.delivery import Courier


def couriers_of(catalog: Catalog, access: CourierAccess) -> dict[str, Courier]:
    """One courier a kind, by what stands before the colon in a delivery's address."""
    return {
        kind.name: kind.courier(
            {name: one for name, one in catalog.destinations.items() if one.kind == kind.name},
            access,
        )
        for kind in DESTINATIONS
    }
