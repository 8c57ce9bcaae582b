"""Bodies as Alertmanager and Grafana document them, and a sender that posts them."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import aiohttp

TOKEN = "a-long-random-token"
NEVER = "0001-01-01T00:00:00Z"
"""How both write the end of an alert that fires."""


def alert(
    service: str | None = "checkout",
    *,
    start: datetime,
    end: datetime | None = None,
    name: str = "HighErrorRate",
    **annotations: str,
) -> dict[str, Any]:
    """One alert of a notification."""
    labels = {"alertname": name, "severity": "critical", "job": "shop"}
    if service is not None:
        labels["service"] = service
    return {
        "status": "firing" if end is None else "resolved",
        "labels": labels,
        "annotations": annotations or {"summary": "One in five requests fails"},
        "startsAt": start.isoformat(),
        "endsAt": NEVER if end is None else end.isoformat(),
        "generatorURL": "http://prometheus.example.com/graph?g0.expr=up",
        "fingerprint": sha256(f"{name}{service}".encode()).hexdigest()[:16],
    }


def notification(*alerts: dict[str, Any], group: str = '{}:{alertname="HighErrorRate"}') -> Any:
    """Alertmanager's body, version 4."""
    firing = any(item["status"] == "firing" for item in alerts)
    return {
        "version": "4",
        "groupKey": group,
        "truncatedAlerts": 0,
        "status": "firing" if firing else "resolved",
        "receiver": "rollback-bot",
        "groupLabels": {"alertname": "HighErrorRate"},
        "commonLabels": {"alertname": "HighErrorRate"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.com",
        "alerts": list(alerts),
    }


def grafana(start: datetime) -> Any:
    """What Grafana's webhook contact point sends: the same, with its own additions."""
    item = alert(start=start, description="Errors over 5 %", error_rate="12.5%", latency_ms="740")
    item |= {
        "startsAt": f"{start + timedelta(hours=2):%Y-%m-%dT%H:%M:%S}.157076123+02:00",
        "values": {"B": 12.5, "C": 1},
        "valueString": "[ var='B' labels={} value=12.5 ]",
        "silenceURL": "https://grafana.example.com/alerting/silence/new",
        "dashboardURL": "",
        "panelURL": "",
    }
    return {
        **notification(item, group='{}/{}:{alertname="HighErrorRate"}'),
        "version": "1",
        "orgId": 1,
        "title": "[FIRING:1] HighErrorRate",
        "state": "alerting",
        "message": "**Firing**",
    }


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the sender was answered."""

    status: int
    body: Any
    headers: Any


async def post(url: str, content: Any, *, token: str | None = TOKEN) -> Answer:
    """Send a notification as Alertmanager does."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=io.BytesIO(data), headers=headers) as answer,
    ):
        return Answer(status=answer.status, body=await answer.json(), headers=answer.headers)
