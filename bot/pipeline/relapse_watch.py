"""Which services are watched after a proven recovery, by what, and how long."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from bot.domain.incident import Incident
from bot.domain.plan import Plan
from bot.domain.recovery import Baseline
from bot.domain.values import Instant, Value
from bot.pipeline.context import Context
from bot.ports.store import Document

KIND = "relapse"


class Watched(Value):
    """One service whose recovery was proven."""

    service: str
    release: str
    """What serves since the rollback, and is marked good."""
    baseline: Baseline
    until: Instant


class Watch(Value):
    """The services of one plan, whose recovery was proven a short while ago."""

    incident_id: str
    service: str
    """The incident's own, which decides whether it can be opened again."""
    services: tuple[Watched, ...]
    since: Instant
    until: Instant
    """When the last of them is not watched any more."""
    channels: tuple[str, ...] = ()
    """Where it is said when another incident of the service is open by then."""

    @model_validator(mode="before")
    @classmethod
    def _of_an_older_bot(cls, body: Any) -> Any:
        """A document that an older bot has written is about the incident's own service alone."""
        if not isinstance(body, dict) or "services" in body:
            return body
        own = {name: body.get(name) for name in ("service", "release", "baseline", "until")}
        rest = {name: value for name, value in body.items() if name not in {"release", "baseline"}}
        return {**rest, "services": [own]}


def watch_of(context: Context, incident: Incident) -> Watch | None:
    """How the services that are about to be called recovered are watched; None when none is."""
    plan = incident.plan
    found = [_watched(context, incident, plan, one) for one in plan.services] if plan else []
    services = tuple(one for one in found if one is not None)
    if not services:
        return None
    return Watch(
        incident_id=incident.id,
        service=incident.declared.service,
        services=services,
        since=context.clock.now(),
        until=max(one.until for one in services),
        channels=(incident.channel.channel_id,) if incident.channel else (),
    )


def _watched(context: Context, incident: Incident, plan: Plan, service: str) -> Watched | None:
    """None for a service that is not measured, or whose normal is not known."""
    watch_after = context.catalog.verification_of(service).watch_after
    if service == incident.declared.service:
        baseline = incident.verification.baseline if incident.verification else None
    else:
        entry = context.catalog.services.get(service)
        measured = entry is not None and entry.metrics is not None
        baseline = incident.baselines.get(service) if measured else None
    if watch_after is None or baseline is None:
        return None
    release = next(
        (part.to_release for part in plan.moved if part.service == service), plan.to_release
    )
    return Watched(
        service=service,
        release=release,
        baseline=baseline,
        until=context.clock.now() + watch_after,
    )


def document_of(watch: Watch) -> Document:
    """Without an expiry of the store's own: the last look decides when it is over."""
    return Document(kind=KIND, id=watch.incident_id, body=watch.model_dump(mode="json"))
