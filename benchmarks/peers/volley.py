"""Sends requests all at once and tells how long each waited for its answer.

A process of its own, and little more than sockets: what the asking costs is part of no figure.
Each line that comes in is ``{"url": …, "requests": [{"body": …, "headers": {…}}]}``, each that goes
out a list of seconds. A request that is not answered with 200 ends the process.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any
from urllib.parse import urlsplit


async def fire(url: str, requests: list[dict[str, Any]]) -> list[float]:
    """Connect as often as there are requests, then send them all; seconds to each answer."""
    to = urlsplit(url)
    ready = [_encoded(request, path=to.path, host=to.netloc) for request in requests]
    connections = [await asyncio.open_connection(to.hostname, to.port) for _ in ready]
    try:
        pairs = zip(connections, ready, strict=True)
        return await asyncio.gather(*(_send(*connection, data) for connection, data in pairs))
    finally:
        for _, writer in connections:
            writer.close()


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> float:
    start = time.perf_counter()
    writer.write(data)
    head = await reader.readuntil(b"\r\n\r\n")
    seconds = time.perf_counter() - start
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError(f"not acknowledged: {head[:200]!r}")
    return seconds


def _encoded(request: dict[str, Any], *, path: str, host: str) -> bytes:
    body: bytes = request["body"].encode()
    headers = {**request["headers"], "Host": host, "Content-Length": str(len(body))}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def main() -> None:
    """Answer every line of the standard input."""
    for line in sys.stdin:
        asked = json.loads(line)
        seconds = asyncio.run(fire(asked["url"], asked["requests"]))
        sys.stdout.write(json.dumps(seconds) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
