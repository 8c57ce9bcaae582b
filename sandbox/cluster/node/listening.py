"""Stopping to listen without losing a connection that was accepted a moment ago."""

import asyncio
import socket


async def stop_accepting(listener: socket.socket) -> None:
    """Accepts no more, and lets what was accepted reach its server; then the server may close.

    Before Python 3.12 `asyncio.Server.close` drops a connection between accept and hand-over:
    its socket stays open until garbage collection and its client waits for nothing.
    """
    if listener.fileno() < 0:
        return
    asyncio.get_running_loop().remove_reader(listener.fileno())
    await asyncio.sleep(0)
