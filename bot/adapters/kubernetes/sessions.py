"""The client in use, and its successor when the API server no longer knows its credentials."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from kubernetes.aio.client import ApiClient

from bot.adapters.kubernetes.calls import Call
from bot.errors import TemporaryError

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
