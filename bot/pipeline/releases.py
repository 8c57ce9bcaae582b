"""The bot's own record of releases: which served well, which were withdrawn."""

from __future__ import annotations

from dataclasses import dataclass

from bot.pipeline.context import Context
from bot.ports.store import Document

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
    body = {
        "service": service,
        "release": release,
        "mark": value,
        "incident": incident_id,
        "at": context.clock.now().isoformat(),
    }
    document = Document(kind=KIND, id=f"{service}/{release}", body=dict(body))
    await context.store.put(document)


async def forget(context: Context, service: str, release: str) -> None:
    """Take a mark back; harmless when there is none."""
    await context.store.delete(KIND, f"{service}/{release}")
