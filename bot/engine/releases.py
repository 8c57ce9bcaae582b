"""The bot's own record of releases: which served well, which were withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.engine.context import Context
from bot.store.values import Document

KIND = "release"


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What is remembered about a service's releases."""

    good: tuple[str, ...]
    """Proven to serve within their limits, most recent first."""
    bad: frozenset[str]


async def marks(context: Context, service: str) -> Marks:
    """Everything remembered about a service's releases."""
    found = [d.body for d in await context.store.documents(KIND) if d.body["service"] == service]
    good = sorted((b for b in found if b["mark"] == "good"), key=lambda b: str(b["at"]))
    return Marks(
        good=tuple(str(body["release"]) for body in reversed(good)),
        bad=frozenset(str(body["release"]) for body in found if body["mark"] == "bad"),
    )


async def mark(context: Context, service: str, release: str, value: str, incident_id: str) -> None:
    """Remember a release as ``good`` or ``bad``; the newest mark holds."""
    now = context.clock.now()
    await context.store.put(marked(service, release, value, incident_id=incident_id, at=now))


def marked(service: str, release: str, value: str, *, incident_id: str, at: datetime) -> Document:
    """A mark, to be written with the event that it follows from."""
    body = {
        "service": service,
        "release": release,
        "mark": value,
        "incident": incident_id,
        "at": at.isoformat(),
    }
    return Document(kind=KIND, id=f"{service}/{release}", body=dict(body))


async def forget(context: Context, service: str, release: str) -> None:
    """Take a mark back; harmless when there is none."""
    await context.store.delete(KIND, f"{service}/{release}")
