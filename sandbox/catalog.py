"""The bot's catalog as this company writes it, and how fast things go in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.cluster.node.timings import QUICK, KubeletTimings
from sandbox.neighbours import Neighbours
from sandbox.shop import accounts, delivery
from sandbox.slack.people.workspace import Workspace

SERVICES: dict[delivery.Layout, str] = {"blue-green": "checkout", "rolling": "payments"}


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast things go; the catalog's intervals in seconds. Only these differ from production."""

    nodes: KubeletTimings = QUICK
    requests_per_second: float = 60.0
    scrape: float = 0.25
    live_window: float = 1.5
    baseline_window: float = 30.0
    bucket: float = 0.5
    checkpoints: tuple[float, ...] = (1.0, 2.0, 3.0)
    margin: float = 0.005
    """The judge's tolerance; seconds of traffic can only prove a coarse one."""
    minimum_traffic: float = 0.5
    """So much of normal traffic proves something."""
    updates: float = 600.0
    drain: float = 5.0
    watch_every: float = 0.5
    watch_for: float = 60.0
    watch_after: float | None = None
    """How long a recovery is looked after; None: not at all."""
    escalate: float = 300.0
    expire: float = 1800.0


def everybodys(pace: Pace, people: Workspace) -> dict[str, Any]:
    """What holds for every service: who decides, and when what is due."""
    ana, ben = people.user("ana").id, people.user("ben").id
    return {
        "people": {
            "roles": {
                "Incident Commander": [ana],
                "Deployment Lead": [ben],
                "Database Administrator": ["carla@example.com"],
                "Monitoring Observer": [people.user("dan").id],
                "Communication Coordinator": [people.user("carla").id],
            },
            "release_managers": [ana, ben],
            "on_call_leads": [people.user("carla").id],
        },
        "approval": {
            "escalate_after_seconds": pace.escalate,
            "expires_after_seconds": pace.expire,
        },
        "updates": {"every": pace.updates, "channels": ["status"]},
        "assessment": {
            "live_window": pace.live_window,
            "watch_every": pace.watch_every,
            "watch_for": pace.watch_for,
        },
        "verification": {
            "checkpoints": list(pace.checkpoints),
            "baseline_window": pace.baseline_window,
            "watch_after": pace.watch_after,
            "judge": {
                "bucket_seconds": pace.bucket,
                "margin": pace.margin,
                "minimum_traffic": pace.minimum_traffic,
            },
        },
    }


def service_entry(
    layout: delivery.Layout, pace: Pace, *, url: str, around: Neighbours
) -> dict[str, Any]:
    """The service that the company releases badly."""
    service = SERVICES[layout]
    targets: dict[delivery.Layout, dict[str, Any]] = {
        "blue-green": {
            "strategy": "blue-green",
            "namespace": "shop",
            "service": "checkout",
            "deployments": {"blue": "checkout-blue", "green": "checkout-green"},
            "drain_timeout": pace.drain,
        },
        "rolling": {"strategy": "rolling", "namespace": "shop", "deployment": "payments"},
    }
    return {
        "description": f"The shop's {service}",
        "url": url,
        "rollback": [targets[layout]],
        "instance_port": 8080,
        "metrics": around.metrics(service)
        or {
            "namespace": "shop",
            "selector": f"app={service}",
            "port": 8080,
            "every": pace.scrape,
            "where": {"path": "/checkout"},
        },
        **around.service(),
    }


LOG_IN = {
    "name": "log in and see the basket",
    "secrets": {"password": "SMOKE_PASSWORD"},
    "requests": [
        {
            "method": "POST",
            "path": "/login",
            "json": {"user": accounts.USER, "password": "{{password}}"},
            "capture": {"token": {"json": "access.token"}},
        },
        {
            "path": "/basket",
            "headers": {"Authorization": "Bearer {{token}}"},
            "expect": {"json": {"owner": accounts.USER}},
        },
    ],
}
"""A smoke test of a user's task, as the catalog has it."""
