"""What all stand-ins share: strictness, a log of changes, and faults to order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(kw_only=True)
class Fault:
    """What happens to the next request with this method."""

    method: str
    path: str = "/"
    """Beginning of the path."""
    status: int = 0
    """Answer this instead; 0 loses the answer after the effect."""
    body: Any = None
    text: str = ""
    """Sent instead of the body, as a page and not as JSON."""
    headers: dict[str, str] = field(default_factory=dict)


class FlagServer:
    """One flag, oauth_auth, that is on. A subclass adds the routes of one API."""

    provider = ""
    token = "flag-secret-7"
    authorization = ("Authorization", "")
    """Header, and what stands before the token."""

    content_types = frozenset({"application/json"})
    port: int | None = None
    """None: a free one."""

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.faults: list[Fault] = []
        self.app = web.Application(middlewares=[self._strict])
        self._server = TestServer(self.app, port=self.port)

    async def start(self) -> None:
        await self._server.start_server()

    async def stop(self) -> None:
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("/")).rstrip("/")

    @property
    def is_on(self) -> bool:
        """Whether an instance that asks now would serve the feature."""
        raise NotImplementedError

    @property
    def state(self) -> Any:
        """Everything that an undo must restore."""
        raise NotImplementedError

    def target(self) -> dict[str, Any]:
        """The catalog's entry, without the probe."""
        raise NotImplementedError

    def edit(self) -> str:
        """Somebody else changes the flag while it stays on; who that is."""
        raise NotImplementedError

    def turn(self, on: bool) -> str:
        """Somebody else switches the flag; who that is."""
        raise NotImplementedError

    def refusal(self, status: int, what: str) -> web.Response:
        """An error as this API words it."""
        return web.json_response({"message": what}, status=status)

    def fault(self, method: str, status: int = 0, **more: Any) -> None:
        self.faults.append(Fault(method=method, status=status, **more))

    @web.middleware
    async def _strict(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        name, prefix = self.authorization
        if not self.accepts(request, name, prefix):
            return self.refusal(401, "Invalid token")
        fault = self._ordered(request)
        unknown = request.match_info.http_exception
        if unknown is not None and fault is None:  # 404, or 405 for another method
            return self.refusal(unknown.status, f"No route {request.method} {request.path}")
        if request.can_read_body and request.content_type not in self.content_types:
            return self.refusal(415, "Unsupported media type")
        if fault is not None and fault.text:
            return web.Response(text=fault.text, status=fault.status, content_type="text/html")
        if fault is not None and fault.status:
            return web.json_response(fault.body, status=fault.status, headers=fault.headers)
        answer = await handler(request)
        if not self.reads(request) and answer.status < 300:
            self.changes.append(f"{request.method} {request.path}")
        if fault is not None and request.transport is not None:
            request.transport.abort()
        return answer

    def _ordered(self, request: web.Request) -> Fault | None:
        for one in self.faults:
            if one.method == request.method and request.path.startswith(one.path):
                self.faults.remove(one)
                return one
        return None

    def reads(self, request: web.Request) -> bool:
        """Whether it only asks."""
        return request.method == "GET"

    def accepts(self, request: web.Request, name: str, prefix: str) -> bool:
        return request.headers.get(name) == f"{prefix}{self.token}"
