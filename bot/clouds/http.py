"""HTTP requests: to the service as a user would send them, and to the APIs of flag services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bot.clouds.outside import HttpAnswer, Method
from bot.core.errors import OutcomeUnknownError, PermanentError, RollbackBotError, TemporaryError

LONGEST_ANSWER = 4 * 1024 * 1024
"""Bytes that are read of an answer; what we read is far shorter."""
LONGEST_CONNECT = 5.0
"""Seconds until a connection must be there: a request that was never sent may be repeated."""


class HttpClient:
    """Implements ``bot.clouds.outside.Http`` with aiohttp."""

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
        """One request; see ``bot.clouds.outside.Http``."""
        timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=LONGEST_CONNECT)
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
                answer = await read_all(response.content, LONGEST_ANSWER)
                return HttpAnswer(
                    status=response.status,
                    text=answer.decode(errors="replace"),
                    headers={name.lower(): value for name, value in response.headers.items()},
                    cookies={name: one.value for name, one in response.cookies.items()},
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _failed(method, url, error) from error


def shown(url: str) -> str:
    """An address for people: user, password and query may be secrets."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that is none"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _failed(method: Method, url: str, error: Exception) -> RollbackBotError:
    where, name = shown(url), type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", "") or "it cannot be verified"
        return TemporaryError(
            f"{where} cannot be trusted: {why}.",
            f"Its certificate is refused ({why}): mend it, or let the bot's machine trust it.",
        )
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return TemporaryError(f"{where} cannot be reached.")
    if isinstance(error, ValueError | aiohttp.NonHttpUrlClientError):
        # aiohttp refuses them before anything is sent; its words may quote what it was given.
        return PermanentError(f"{where} cannot be asked: the address or a header is not allowed.")
    what = f"{where} does not answer ({name})."
    return TemporaryError(what) if method in {"GET", "HEAD"} else OutcomeUnknownError(what)


async def read_all(content: aiohttp.StreamReader, limit: int) -> bytes:
    """All of an answer up to the limit: one read gives only what has arrived so far."""
    answer = bytearray()
    while len(answer) < limit:
        part = await content.read(limit - len(answer))
        if not part:
            break
        answer += part
    return bytes(answer)
