"""GitHub's REST API on loopback: commits, pull requests, releases and issues of repositories."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from aiohttp import web
from aiohttp.test_utils import TestServer

from sandbox.github.endpoints import Endpoints
from sandbox.github.faults import Fault, Faults, refusal
from sandbox.github.model import Repository, Token

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class GitHubServer:
    """Repositories behind the API. Put repositories and tokens in, and see what was done."""

    def __init__(self, *, clock: Callable[[], float] | None = None) -> None:
        self.repositories: dict[str, Repository] = {}
        self.tokens: dict[str, Token] = {}
        self.requests: list[str] = []
        """Every request that came, as ``GET /repos/…``."""
        self.refusals: list[str] = []
        """What was refused by the API's own rules, not by a fault."""
        self.faults = Faults()
        self._clock = clock or (lambda: datetime.now(tz=UTC).timestamp())
        self._server = TestServer(self._application(), host="127.0.0.1")

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        await self._server.start_server()

    async def stop(self) -> None:
        """End, also for those who still wait for an answer."""
        self.faults.clear()
        await self._server.close()

    @property
    def url(self) -> str:
        """Base of the API."""
        return str(self._server.make_url("")).rstrip("/")

    def order(self, fault: Fault) -> None:
        """Let something go wrong."""
        self.faults.order(fault)

    def calls(self, beginning: str) -> int:
        """How many requests begin like this, for example ``POST /repos``."""
        return sum(one.startswith(beginning) for one in self.requests)

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._strict])
        Endpoints(self.repositories, clock=self._clock).add_to(app.router)
        return app

    @web.middleware
    async def _strict(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        fault = self.faults.next(request)
        if fault is not None and fault.hangs:
            await self.faults.silence()
        if fault is not None and fault.status:
            answer = refusal(fault.status, fault.message)
            answer.headers.update(fault.headers)
            return answer
        done = await self._answer(request, handler)
        if done.status >= 400:
            self.refusals.append(f"{request.method} {request.path}: {done.status}")
        if fault is not None and fault.holds:
            await self.faults.silence()
        elif fault is not None and not fault.hangs and request.transport is not None:
            request.transport.abort()
        return done

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if "User-Agent" not in request.headers:
            return web.Response(status=403, text="Request forbidden by administrative rules.")
        if request.match_info.http_exception is not None:
            return refusal(404, "Not Found")
        return self._denied(request) or await handler(request)

    def _denied(self, request: web.Request) -> web.Response | None:
        """What the token may not do; what it may not see does not exist."""
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        token = self.tokens.get(given)
        if given and token is None:
            return refusal(401, "Bad credentials")
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        repository = self.repositories.get(name)
        seen = repository is not None and (
            not repository.private or (token is not None and name in token.repositories)
        )
        if not seen:
            return refusal(404, "Not Found")
        if request.method == "GET":
            return None
        needed = "issues" if "/issues" in request.path else "contents"
        if token is None or needed not in token.writes:
            answer = refusal(403, "Resource not accessible by personal access token")
            answer.headers["X-Accepted-GitHub-Permissions"] = f"{needed}=write"
            return answer
        return None
