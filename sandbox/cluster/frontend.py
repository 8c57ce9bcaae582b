"""The loopback port of a Service port: reserved, listened on, and silent again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.cluster.node.listening import stop_accepting

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A pod and its container port."""

    pod_uid: str
    port: int


def bound_socket(port: int = 0) -> socket.socket:
    """A loopback socket that shares its port with the reservation of the same process."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", port))
    return sock


@dataclass(kw_only=True)
class Frontend:
    """The loopback port of a Service port.

    The reservation is bound but never listens: it keeps the number ours while there are no
    endpoints and connections are refused.
    """

    reservation: socket.socket = field(default_factory=bound_socket)
    server: asyncio.Server | None = None
    listener: socket.socket | None = None
    backends: list[Backend] = field(default_factory=list)
    turn: int = 0

    @property
    def number(self) -> int:
        """The port."""
        return int(self.reservation.getsockname()[1])

    def next_backend(self) -> Backend | None:
        """Whose turn it is; None without endpoints."""
        if not self.backends:
            return None
        self.turn += 1
        return self.backends[self.turn % len(self.backends)]

    async def listen(self, connected: Connected) -> None:
        """Takes connections from now on."""
        self.listener = bound_socket(self.number)
        self.server = await asyncio.start_server(connected, sock=self.listener, backlog=512)

    async def silence(self) -> None:
        """Refuses new connections; established ones go on."""
        server, self.server = self.server, None
        if self.listener is not None:
            await stop_accepting(self.listener)
        if server is not None:
            server.close()
        if self.listener is not None:
            self.listener.close()

    async def close(self) -> None:
        """Gives the port away."""
        await self.silence()
        self.reservation.close()
