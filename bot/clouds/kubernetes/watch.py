"""A watch that outlives connections and expired resource versions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from bot.clouds.kubernetes.api import Api, Query
from bot.clouds.kubernetes.objects import Change, Manifest
from bot.clouds.kubernetes.refusals import Call, ExpiredError, refusal
from bot.core.backoff import Backoff
from bot.core.errors import TemporaryError
from bot.core.values import Value

_SERVER_SECONDS = 290
"""After so long the API server ends a watch by itself; it is then opened again."""
_SILENCE_SECONDS = 90.0
"""API servers send a bookmark about every minute: a longer silence is a dead connection."""
_BACKOFF = Backoff(first=0.1, longest=5.0)


class Listing(Value):
    """All objects at one resource version."""

    version: str
    items: tuple[Manifest, ...]


class Watch:
    """The present objects of a selection and every change after, until the caller stops."""

    def __init__(
        self,
        api: Api,
        call: Call,
        path: str,
        query: Query,
        listing: Callable[[], Awaitable[Listing]],
    ) -> None:
        self._api = api
        self._call = call
        self._path = path
        self._query = query
        self._list = listing
        self._known: dict[str, Manifest] = {}
        self._version = ""
        self._failures = 0

    async def changes(self) -> AsyncGenerator[Change, None]:
        """See ``Cluster.watch``. An object that vanished in a gap is given as DELETED."""
        while True:
            for change in await self._present():
                yield change
            try:
                async with aclosing(self._follow()) as following:
                    async for change in following:
                        yield change
            except ExpiredError:
                continue

    async def _present(self) -> list[Change]:
        listing = await self._list()
        self._version = listing.version
        now = {_identity(item): item for item in listing.items}
        gone = [
            Change(type="DELETED", manifest=manifest)
            for identity, manifest in self._known.items()
            if identity not in now
        ]
        self._known = now
        return [*gone, *(Change(type="ADDED", manifest=item) for item in listing.items)]

    async def _follow(self) -> AsyncGenerator[Change, None]:
        """Changes over as many connections as it takes, until the version has expired."""
        while True:
            try:
                async with self._api.stream(
                    self._call,
                    self._path,
                    query=[
                        *self._query,
                        ("watch", "true"),
                        ("allowWatchBookmarks", "true"),
                        ("resourceVersion", self._version),
                        ("timeoutSeconds", str(_SERVER_SECONDS)),
                    ],
                    silence_seconds=_SILENCE_SECONDS,
                ) as lines:
                    async for change in self._read(lines):
                        yield change
            except TemporaryError as error:
                self._failures += 1
                await asyncio.sleep(_BACKOFF.pause(self._failures, error.retry_after))

    async def _read(self, lines: AsyncIterator[bytes]) -> AsyncGenerator[Change, None]:
        async for line in lines:
            try:
                event: dict[str, Any] = json.loads(line)
            except ValueError as error:
                raise TemporaryError(f"A watch sent half a line ({self._call}).") from error
            manifest: Manifest = event["object"]
            if event["type"] == "ERROR":
                self._refuse(manifest)
            self._failures = 0
            self._version = manifest["metadata"]["resourceVersion"]
            if event["type"] == "BOOKMARK":
                continue
            if event["type"] == "DELETED":
                self._known.pop(_identity(manifest), None)
            else:
                self._known[_identity(manifest)] = manifest
            yield Change(type=event["type"], manifest=manifest)

    def _refuse(self, status: Manifest) -> None:
        code = int(status.get("code") or 500)
        raise refusal(self._call, code, {}, json.dumps(status))


def _identity(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return str(metadata.get("uid") or f"{metadata.get('namespace')}/{metadata['name']}")
