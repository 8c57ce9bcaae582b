"""One HTTP call to the API server: authentication, time limits, and errors in our words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient

from bot.adapters.kubernetes.refusals import Call, lost, refusal
from bot.domain.values import Value
from bot.errors import ConfigurationError

Query = Sequence[tuple[str, str]]

CALL_SECONDS = 15.0
"""Longest wait for a complete answer."""
CONNECT_SECONDS = 5.0


TLS_FAREWELL_SECONDS = 0.25


class Answer(Value):
    """A complete answer of the API server, of any status."""

    status: int
    headers: dict[str, str]
    text: str


class Api:
    """Sends requests through the official client and reads raw bodies."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def close(self) -> None:
        """End all connections."""
        await self._client.close()  # type: ignore[no-untyped-call]  # partly typed library
        if self._client.configuration.host.startswith("https:"):
            # TLS connections of abandoned watches still say goodbye, and aiohttp offers nothing
            # to wait for (its documentation, "Graceful Shutdown").
            await asyncio.sleep(TLS_FAREWELL_SECONDS)

    async def ask(
        self,
        call: Call,
        method: str,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        """The answer, whatever its status; raises TemporaryError when there is none."""
        limit = aiohttp.ClientTimeout(total=CALL_SECONDS, sock_connect=CONNECT_SECONDS)
        async with self._opened(
            call, method, path, query=query, headers=headers, body=body, limit=limit
        ) as response:
            text = (await response.read()).decode("utf-8", errors="replace")
            return Answer(status=response.status, headers=dict(response.headers), text=text)

    async def succeed(
        self,
        call: Call,
        method: str,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> str:
        """The body of a successful answer; raises what the refusal means otherwise."""
        answer = await self.ask(call, method, path, query=query, headers=headers, body=body)
        if answer.status >= 400:
            raise refusal(call, answer.status, answer.headers, answer.text)
        return answer.text

    @asynccontextmanager
    async def stream(
        self, call: Call, path: str, *, query: Query, silence_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of an answer that goes on; it is lost after so many seconds of silence."""
        limit = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=silence_seconds
        )
        async with self._opened(call, "GET", path, query=query, limit=limit) as response:
            if response.status >= 400:
                text = (await response.read()).decode("utf-8", errors="replace")
                raise refusal(call, response.status, response.headers, text)
            yield _lines(response)

    @asynccontextmanager
    async def _opened(
        self,
        call: Call,
        method: str,
        path: str,
        *,
        query: Query,
        limit: aiohttp.ClientTimeout,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            _, url, sent_headers, sent_body, _ = await self._client.param_serialize(
                method,
                path,
                query_params=list(query),
                header_params={"Accept": "application/json", **(headers or {})},
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = await self._client.call_api(
                method, url, header_params=sent_headers, body=sent_body, _request_timeout=limit
            )
            response: aiohttp.ClientResponse = answer.response
            try:
                yield response
            finally:
                if not response.content.at_eof():
                    response.close()  # an answer read by half cannot share its connection
        except (aiohttp.InvalidURL, aiohttp.ClientConnectorCertificateError) as error:
            raise ConfigurationError(
                f"The API server of the Kubernetes configuration cannot be used: {error}.",
                "Check the server's address and certificate authority in the kubeconfig.",
            ) from error
        except aiohttp.ClientConnectorError as error:
            # Nothing was sent, so nothing was changed.
            raise lost(call.model_copy(update={"writes": False}), str(error)) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise lost(call, str(error) or type(error).__name__) from error


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Complete lines of any length: aiohttp's own ``readline`` has a limit, objects have not."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
