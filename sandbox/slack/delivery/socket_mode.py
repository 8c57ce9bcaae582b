"""Socket Mode: envelopes over WebSockets, one connection for each envelope."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from aiohttp import WSCloseCode, WSMsgType, web

from sandbox.slack.base.call import Call
from sandbox.slack.base.changes import Changes
from sandbox.slack.base.faults import DisconnectReason
from sandbox.slack.base.model import Json
from sandbox.slack.base.world import World
from sandbox.slack.delivery.dispatch import Ack, Payload

CONNECTIONS = 10
APPROXIMATE_LIFETIME = 18_060  # seconds, as Slack announces it
HOST = "applink-sandbox"


@dataclass(eq=False, kw_only=True)
class Connection:
    """One socket, with the envelopes that wait for their acknowledgement on it."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    waiting: dict[str, asyncio.Future[Ack | None]] = field(default_factory=dict)


class SocketMode:
    """Hands out tickets, keeps the connections and delivers envelopes."""

    def __init__(
        self,
        world: World,
        *,
        ack_timeout: Callable[[], float],
        enabled: Callable[[], bool],
    ) -> None:
        self._world = world
        self._ack_timeout = ack_timeout
        self._enabled = enabled
        self._tickets: set[str] = set()
        self.connections: list[Connection] = []
        self.changes = Changes()
        self.ping_interval = 10.0  # seconds

    async def open_connection(self, call: Call) -> Json:
        """apps.connections.open: a WebSocket URL that works once."""
        ticket = f"{self._world.random.getrandbits(128):032x}"
        self._tickets.add(ticket)
        query = urlencode({"ticket": ticket, "app_id": self._world.app.app_id})
        return {"ok": True, "url": f"{call.base_url.replace('http', 'ws', 1)}link/?{query}"}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The life of one socket."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.json_response({"ok": False, "error": "invalid_ticket"}, status=403)
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse(heartbeat=self.ping_interval, timeout=1.0)
        await socket.prepare(request)
        refused = self._refusal()
        if refused is not None:
            await socket.send_json(_disconnect_message(refused))
            await socket.close()
            return socket
        connection = Connection(socket=socket, transport=request.transport)
        self.connections.append(connection)
        await socket.send_json(self._hello())
        self._changed()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    _acknowledge(connection, message.data)
        finally:
            self._forget(connection)
        return socket

    async def send(self, payload: Payload, *, attempt: int = 0, reason: str | None = None) -> Ack:
        """Deliver once; when the socket goes before the acknowledgement, over another one."""
        try:
            async with asyncio.timeout(self._ack_timeout()):
                while self.connections:
                    connection = self._world.random.choice(self.connections)
                    ack = await self._send_over(connection, payload, attempt, reason)
                    if ack is not None:
                        return ack
                    attempt, reason = attempt + 1, "connection_closed"
                    await self.changes.wait_for(lambda: self.connections, timeout=60)
        except TimeoutError:
            return Ack(error="operation_timeout", reason="timeout")
        return Ack(error="dispatch_failed", reason="connection_failed")

    async def disconnect(self, reason: DisconnectReason | None) -> int:
        """Announce a disconnect, and unless it is only a warning, close; None closes at once."""
        affected = list(self.connections)
        for connection in affected:
            if reason is None:
                self._forget(connection)
                if connection.transport is not None:
                    connection.transport.abort()
                continue
            await connection.socket.send_json(_disconnect_message(reason))
            if reason != "warning":
                self._forget(connection)
                await connection.socket.close(code=WSCloseCode.GOING_AWAY, drain=False)
        return len(affected)

    async def wait_until_connected(self, *, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """Return when at least one socket is open; TimeoutError after `timeout` seconds."""
        await self.changes.wait_for(lambda: self.connections, timeout=timeout)

    def _refusal(self) -> str | None:
        if not self._enabled():
            return "link_disabled"
        return "too_many_websockets" if len(self.connections) >= CONNECTIONS else None

    async def _send_over(
        self, connection: Connection, payload: Payload, attempt: int, reason: str | None
    ) -> Ack | None:
        envelope_id = str(uuid.UUID(int=self._world.random.getrandbits(128), version=4))
        envelope: Json = {
            "envelope_id": envelope_id,
            "type": payload.kind,
            "payload": payload.body,
            "accepts_response_payload": payload.accepts_response,
        }
        if payload.kind == "events_api" or attempt:
            envelope |= {"retry_attempt": attempt, "retry_reason": reason or ""}
        future: asyncio.Future[Ack | None] = asyncio.get_running_loop().create_future()
        connection.waiting[envelope_id] = future
        try:
            await connection.socket.send_str(json.dumps(envelope))
            return await future
        except ConnectionError:
            return None
        finally:
            connection.waiting.pop(envelope_id, None)

    def _forget(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
            self._changed()
        for future in connection.waiting.values():
            if not future.done():
                future.set_result(None)

    def _changed(self) -> None:
        self.changes.fire()
        self._world.changes.fire()

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.connections),
            "connection_info": {"app_id": self._world.app.app_id},
            "debug_info": {
                "host": HOST,
                "approximate_connection_time": APPROXIMATE_LIFETIME,
            },
        }


def _disconnect_message(reason: str) -> Json:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": HOST}}


def _acknowledge(connection: Connection, text: str) -> None:
    """Match an acknowledgement with its envelope; what matches nothing is ignored, as at Slack."""
    try:
        answer = json.loads(text)
    except ValueError:
        return
    envelope_id = answer.get("envelope_id") if isinstance(answer, dict) else None
    future = connection.waiting.get(str(envelope_id))
    if future is not None and not future.done():
        future.set_result(Ack(status=200, body=answer.get("payload")))
