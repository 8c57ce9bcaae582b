"""Answers as HTTP responses, in the form the client accepts."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator

from aiohttp import ClientConnectionResetError, web

from sandbox.cluster.base.calls import Call, Reply
from sandbox.cluster.base.errors import ApiError, NotServedError
from sandbox.cluster.base.faults import Faults
from sandbox.cluster.base.negotiation import MediaType, encode, negotiate
from sandbox.cluster.base.podlogs import PodLog
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.table import as_partial_metadata, as_table
from sandbox.cluster.base.types import Manifest
from sandbox.cluster.base.watching import Watch

TRANSFORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


def error_response(error: ApiError) -> web.Response:
    """The Status of a refused request; plain text where nothing is served at all."""
    if isinstance(error, NotServedError):
        return web.Response(status=error.status, text=f"{error.message}\n")
    return web.json_response(error.to_status(), status=error.status, headers=error.headers)


def document(body: Manifest, *, accept: str = "", status: int = 200) -> web.Response:
    """A body that has no other form than its own."""
    media_type = negotiate(accept)
    return _response(encode(body, media_type), media_type, status=status)


def _response(
    body: bytes, media_type: MediaType, *, status: int, warnings: tuple[str, ...] = ()
) -> web.Response:
    response = web.Response(body=body, status=status)
    response.headers["Content-Type"] = str(media_type)
    response.headers["Cache-Control"] = "no-cache, private"
    for warning in warnings:
        quoted = warning.replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{quoted}"')
    return response


class Transformer:
    """Turns objects of one call into what the client asked for, e.g. table rows."""

    def __init__(self, store: ObjectStore, call: Call) -> None:
        self._store = store
        self._call = call
        self.media_type = negotiate(call.headers.get("Accept", ""), TRANSFORMS)
        self._headings = True

    def __call__(self, body: Manifest) -> Manifest:
        """The body in its wanted form; a Status stays as it is."""
        if body.get("kind") == "Status":
            return body
        match self.media_type.transform:
            case "Table":
                return self._table(body)
            case "":
                return body
        return as_partial_metadata(body)

    def _table(self, body: Manifest) -> Manifest:
        table = as_table(
            self._call.resource,
            body,
            now=self._store.now(),
            include=self._call.query.get("includeObject", "Metadata"),
            headings=self._headings,
        )
        # In a watch only the first table names its columns.
        self._headings = False
        return table


def rendered(store: ObjectStore, call: Call, reply: Reply) -> web.Response:
    """The reply of a REST verb."""
    transformer = Transformer(store, call)
    body = encode(transformer(reply.body), transformer.media_type)
    return _response(body, transformer.media_type, status=reply.status, warnings=reply.warnings)


async def watch_stream(
    request: web.Request, store: ObjectStore, call: Call, faults: Faults
) -> web.StreamResponse:
    """Streams a watch until its time is up or the client leaves."""
    watch, transformer = Watch(store, call), Transformer(store, call)
    response = web.StreamResponse(headers={"Content-Type": str(transformer.media_type)})
    await response.prepare(request)
    transport = request.transport
    if not isinstance(transport, asyncio.Transport):
        return response
    faults.watch_opened(transport)
    try:
        await _send(response, _lines(watch, transformer))
    finally:
        faults.watch_closed(transport)
    return response


async def _lines(watch: Watch, transformer: Transformer) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(watch.events()) as events:
        async for event in events:
            shown = {"type": event["type"], "object": transformer(event["object"])}
            yield json.dumps(shown, separators=(",", ":")).encode() + b"\n"


async def log_stream(request: web.Request, log: PodLog) -> web.StreamResponse:
    """Streams a container's log."""
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    await _send(response, log.chunks())
    return response


async def _send(response: web.StreamResponse, chunks: AsyncGenerator[bytes, None]) -> None:
    """Writes until the stream ends or the client leaves, which ends it as well."""
    async with contextlib.aclosing(chunks) as stream:
        with contextlib.suppress(ClientConnectionResetError):
            async for chunk in stream:
                await response.write(chunk)
            await response.write_eof()
