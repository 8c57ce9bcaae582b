"""The couriers to the catalog's destinations beside Slack."""

from __future__ import annotations

from typing import TypeVar

from bot.adapters.email import EmailCourier, Load
from bot.adapters.http import HttpClient
from bot.adapters.status_webhook import WebhookCourier
from bot.adapters.statuspage import StatuspageCourier
from bot.config.catalog import Catalog
from bot.config.destinations import EmailDestination, StatuspageDestination, WebhookDestination
from bot.ports.clock import Clock
from bot.ports.deliveries import Courier
from bot.ports.outside import Secrets

D = TypeVar("D")


def outside_couriers(
    catalog: Catalog, *, secrets: Secrets, clock: Clock, load: Load
) -> dict[str, Courier]:
    """One courier a kind of destination, by what stands before the colon in a delivery's address.

    ``load`` reads files that are kept with an incident, to attach them.
    """
    http = HttpClient()
    pages = _of(catalog, StatuspageDestination)
    hooks = _of(catalog, WebhookDestination)
    boxes = _of(catalog, EmailDestination)
    return {
        "statuspage": StatuspageCourier(pages, http=http, secrets=secrets),
        "webhook": WebhookCourier(hooks, http=http, secrets=secrets),
        "email": EmailCourier(boxes, secrets=secrets, clock=clock, load=load),
    }


def _of(catalog: Catalog, kind: type[D]) -> dict[str, D]:
    return {name: one for name, one in catalog.destinations.items() if isinstance(one, kind)}
