"""Requests to the service itself, as a user would send them."""

from __future__ import annotations

import aiohttp

from bot.errors import TemporaryError
from bot.ports.world import HttpAnswer

LONGEST_ANSWER = 64 * 1024
"""Bytes that are read of an answer; a health or version answer is far shorter."""


class HttpClient:
    """Implements ``bot.ports.world.Http`` with aiohttp."""

    async def get(self, url: str, *, timeout_seconds: float = 5.0) -> HttpAnswer:
        """GET on a fresh connection: a kept one would stay with the pod that it was opened to."""
        timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url, allow_redirects=False) as response,
            ):
                body = await response.content.read(LONGEST_ANSWER)
                return HttpAnswer(status=response.status, text=body.decode(errors="replace"))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TemporaryError(f"{url} does not answer ({type(error).__name__}).") from error
