"""HTTP requests: to the service as a user would send them, and to the APIs of flag services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import aiohttp

from bot.errors import OutcomeUnknownError, TemporaryError
from bot.ports.outside import HttpAnswer

LONGEST_ANSWER = 1024 * 1024
"""Bytes that are read of an answer; what we read is far shorter."""

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class HttpClient:
    """Implements ``bot.ports.outside.Http`` with aiohttp."""

    async def get(self, url: str, *, timeout_seconds: float = 5.0) -> HttpAnswer:
        """GET on a fresh connection: a kept one would stay with the pod that it was opened to."""
        return await self.request("GET", url, timeout_seconds=timeout_seconds)

    async def request(
        self,
        method: Method,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_seconds: float = 10.0,
    ) -> HttpAnswer:
        """One request; see ``bot.ports.outside.Http``. ``body`` is sent as it is: it was signed."""
        timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(
                    method,
                    url,
                    headers=headers,
                    json=json,
                    data=body if form is None else dict(form),
                    allow_redirects=False,
                ) as response,
            ):
                answer = await _read(response.content)
                return HttpAnswer(
                    status=response.status,
                    text=answer.decode(errors="replace"),
                    headers={name.lower(): value for name, value in response.headers.items()},
                    cookies={name: one.value for name, one in response.cookies.items()},
                )
        except aiohttp.ClientConnectorError as error:
            raise TemporaryError(f"{url} cannot be reached.") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            what = f"{url} does not answer ({type(error).__name__})."
            if method in {"GET", "HEAD"}:
                raise TemporaryError(what) from error
            raise OutcomeUnknownError(what) from error


async def _read(content: aiohttp.StreamReader) -> bytes:
    """All of an answer up to the limit: one read gives only what has arrived so far."""
    answer = bytearray()
    while len(answer) < LONGEST_ANSWER:
        part = await content.read(LONGEST_ANSWER - len(answer))
        if not part:
            break
        answer += part
    return bytes(answer)
