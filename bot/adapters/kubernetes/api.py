"""One HTTP call to the API server: authentication, time limits, and errors in our words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.config import ConfigException

from bot.adapters.kubernetes.calls import Call
from bot.adapters.kubernetes.refusals import lost, refusal, status_of
from bot.adapters.kubernetes.sessions import Sessions, SignIn
from bot.domain.values import Value
from bot.errors import ConfigurationError, TemporaryError

Query = Sequence[tuple[str, str]]

CALL_SECONDS = 15.0
"""Longest wait for a complete answer."""
CONNECT_SECONDS = 5.0


class Answer(Value):
    """A complete answer of the API server, of any status."""

    status: int
    headers: dict[str, str]
    text: str


class Api:
    """Sends requests through the official client and reads raw bodies."""

    def __init__(self, client: ApiClient, *, sign_in: SignIn | None = None) -> None:
        """``sign_in`` makes a client with fresh credentials when these are known no more."""
        self._sessions = Sessions(client, sign_in)

    async def close(self) -> None:
        """End all connections."""
        await self._sessions.close()

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
        """The answer, whatever its status; raises TemporaryError when there is none.

        Signs in anew when the API server does not know the bot (any more), once. TemporaryError
        too when it did know the bot before.
        """
        limit = aiohttp.ClientTimeout(total=CALL_SECONDS, sock_connect=CONNECT_SECONDS)

        async def attempt(client: ApiClient) -> Answer:
            async with _opened(
                client, call, method, path, query=query, headers=headers, body=body, limit=limit
            ) as response:
                text = (await response.read()).decode("utf-8", errors="replace")
                return Answer(status=response.status, headers=dict(response.headers), text=text)

        client = self._sessions.client
        answer = await attempt(client)
        if _is_unknown(answer) and await self._sessions.renewed(client):
            # Who is not known has begun nothing, so that a change may be sent again.
            client = self._sessions.client
            answer = await attempt(client)
        if _is_unknown(answer):
            self._sessions.refused(client, call)
        else:
            self._sessions.was_known = True
        return answer

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
        client = self._sessions.client
        async with _opened(client, call, "GET", path, query=query, limit=limit) as response:
            if response.status >= 400:
                text = (await response.read()).decode("utf-8", errors="replace")
                if response.status == 401:
                    if await self._sessions.renewed(client):
                        raise TemporaryError(f"The bot had to sign in anew ({call}).")
                    self._sessions.refused(client, call)
                raise refusal(call, response.status, response.headers, text)
            yield _lines(response)


@asynccontextmanager
async def _opened(
    client: ApiClient,
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
        _, url, sent_headers, sent_body, _ = await client.param_serialize(
            method,
            path,
            query_params=list(query),
            header_params={"Accept": "application/json", **(headers or {})},
            body=body,
            auth_settings=["BearerToken"],
        )
        answer = await client.call_api(
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
    except ConfigException as error:
        raise ConfigurationError(
            f"The service account of this pod cannot be used: {error}",
            "Check automountServiceAccountToken and deploy/rbac.yaml.",
        ) from error


def _is_unknown(answer: Answer) -> bool:
    """Whether the API server does not know who asks; a pod's own 401 is no ``Status``."""
    return answer.status == 401 and status_of(answer.text) is not None


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Complete lines of any length: aiohttp's own ``readline`` has a limit, objects have not."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
