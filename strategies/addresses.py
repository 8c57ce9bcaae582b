"""Where a service is asked as its users ask it."""

from __future__ import annotations

from bot.config.catalog import ServiceEntry


def version_url(service: ServiceEntry) -> str:
    """Where the release is told; empty when the catalog names no URL or no version path."""
    url, path = service.url, service.version_path
    return f"{str(url).rstrip('/')}/{path.lstrip('/')}" if url and path else ""
