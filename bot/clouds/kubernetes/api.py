"""One HTTP call to the API server: authentication, time limits, and errors in our words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.config import ConfigException

from bot.clouds.kubernetes.objects import Kind, Manifest
from bot.clouds.kubernetes.refusals import Call, lost, refusal, status_of
from bot.core.backoff import Backoff
from bot.core.backoff import retried as tried_again
from bot.core.clock import SystemClock
from bot.core.errors import ConfigurationError, OutcomeUnknownError, PermanentError, TemporaryError
from bot.core.values import Value

# The client in use, and its successor when the API server no longer knows its credentials.

SignIn: TypeAlias = Callable[[], Awaitable[ApiClient]]
"""Makes a client with the credentials as they are now; raises what the login raises."""

_TLS_FAREWELL_SECONDS = 0.25
REFUSED_SECONDS = 10.0
"""After fresh credentials were refused too, nobody signs in again for so long: a login helper may
ask a person, and an identity provider counts failures."""


class Sessions:
    """Callers that meet the same end of the credentials sign in once between them."""

    def __init__(self, client: ApiClient, sign_in: SignIn | None) -> None:
        self.client = client
        self.was_known = False
        """Whether the API server has ever known who asks."""
        self._sign_in = sign_in
        self._retired: list[ApiClient] = []
        self._lock = asyncio.Lock()
        self._not_before = 0.0

    async def renewed(self, stale: ApiClient) -> bool:
        """Whether there is another client than the one that was refused.

        Raises what the login raises.
        """
        async with self._lock:
            if self.client is not stale:
                return True
            if self._sign_in is None or asyncio.get_running_loop().time() < self._not_before:
                return False
            fresh = await self._sign_in()
            # Calls that are under way end on the old connections; watches are opened anew.
            await self._close(self._retired)
            self._retired, self.client = [stale], fresh
            return True

    def refused(self, client: ApiClient, call: Call) -> None:
        """Fresh credentials are no better than the old ones were.

        Raises TemporaryError when the bot was known before: in the middle of a rollback there is
        more to lose by giving up than by waiting until somebody has logged in again.
        """
        now = asyncio.get_running_loop().time()
        if client is self.client and now >= self._not_before:  # else nobody has asked anew
            self._not_before = now + REFUSED_SECONDS
        if self.was_known:
            raise TemporaryError(
                f"The API server does not accept the bot's credentials any more ({call}).",
                "Log in again where the bot runs, or look whether its account still exists; it "
                "tries again.",
            )

    async def close(self) -> None:
        """End all connections."""
        await self._close([*self._retired, self.client])
        if self.client.configuration.host.startswith("https:"):
            # TLS connections of abandoned watches still say goodbye, and aiohttp offers nothing
            # to wait for (its documentation, "Graceful Shutdown").
            await asyncio.sleep(_TLS_FAREWELL_SECONDS)

    async def _close(self, clients: list[ApiClient]) -> None:
        for client in clients:
            await client.close()  # type: ignore[no-untyped-call]  # partly typed library


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


# The one way in which requests to the outside are repeated.

T = TypeVar("T")

BACKOFF = Backoff(first=0.1, longest=2.7, factor=3.0)
ATTEMPTS = 5
PATIENCE = timedelta(seconds=20)


async def retried(call: Callable[[], Awaitable[T]]) -> T:
    """Await the call up to five times within 20 seconds while it fails temporarily.

    A change whose outcome is unknown is not repeated: the caller must look first.
    """
    return await tried_again(
        call,
        BACKOFF,
        clock=SystemClock(),
        patience=PATIENCE,
        attempts=ATTEMPTS,
        unless=(OutcomeUnknownError,),
    )


# Addresses of the Kubernetes API, and how its answers are read.


def group_of(kind: Kind) -> str:
    """The API group; empty for the core group."""
    group, slash, _ = kind.api_version.partition("/")
    return group if slash else ""


def call_of(verb: str, kind: Kind, namespace: str, name: str = "") -> Call:
    """The call in the words of a right."""
    group = group_of(kind)
    resource = f"{kind.plural}.{group}" if group else kind.plural
    return Call(verb=verb, resource=resource, namespace=namespace, name=name)


def path_of(kind: Kind, namespace: str, name: str = "") -> str:
    """The address of an object, or of all objects of a kind in a namespace."""
    root = "/apis" if "/" in kind.api_version else "/api"
    path = f"{root}/{kind.api_version}/namespaces/{quote(namespace, safe='')}/{kind.plural}"
    return f"{path}/{quote(name, safe=':')}" if name else path


def selection(labels: str, fields: str) -> Query:
    """Query parameters for label and field selectors."""
    stated = (("labelSelector", labels), ("fieldSelector", fields))
    return [(name, value) for name, value in stated if value]


def parsed(call: Call, text: str) -> dict[str, Any]:
    """The answer's JSON object; raises PermanentError for anything else."""
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise PermanentError(
            f"The answer to “{call}” is not JSON.",
            "Check that the kubeconfig names a Kubernetes API server.",
        ) from error
    if not isinstance(answer, dict):
        raise PermanentError(f"The answer to “{call}” is not a Kubernetes object.")
    return answer


def typed_items(body: Manifest) -> list[Manifest]:
    """The items with their kind, which the API server states once for the whole list."""
    kind = str(body.get("kind", "")).removesuffix("List")
    return [
        {"apiVersion": body.get("apiVersion"), "kind": kind, **item}
        for item in body.get("items") or []
    ]
