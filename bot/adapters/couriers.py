"""The couriers to all kinds of destination."""

from __future__ import annotations

from bot.config.catalog import Catalog
from bot.domain.destinations import DESTINATIONS
from bot.ports.deliveries import Courier
from bot.ports.destinations import CourierAccess


def couriers_of(catalog: Catalog, access: CourierAccess) -> dict[str, Courier]:
    """One courier a kind, by what stands before the colon in a delivery's address."""
    return {
        kind.name: kind.courier(
            {name: one for name, one in catalog.destinations.items() if one.kind == kind.name},
            access,
        )
        for kind in DESTINATIONS
    }
