"""Pages, their components and incidents, behind the REST API.

Source: https://developer.statuspage.io. Requests carry ``Authorization: OAuth <key>``; errors are
``{"error": …}`` with a sentence or a list of sentences.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from sandbox.statuspage.model import COMPONENT_STATUSES, Page

JSON = dict[str, Any]


@dataclass(kw_only=True)
class Fault:
    """What happens to a request instead of its answer."""

    status: int
    error: str = "Something went wrong"
    retry_after: int | None = None
    takes_effect: bool = False
    """Whether the request is carried out all the same, and only its answer is lost."""
    method: str = ""
    """Only requests of this method; empty for any."""


@dataclass
class StatuspageServer:
    """One organisation with one page; ``faults`` strike the next requests, in order."""

    key: str = "sandbox-key"
    page: Page = field(default_factory=Page)
    faults: deque[Fault] = field(default_factory=deque)
    calls: list[str] = field(default_factory=list)
    """``POST /pages/…/incidents``: every request, also those that failed."""
    refusals: list[str] = field(default_factory=list)
    """What was refused by the API's own rules, not by a fault."""
    url: str = ""

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(self._app())
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        base = "/v1/pages/{page}"
        app.router.add_post(f"{base}/incidents", self._create)
        app.router.add_get(f"{base}/incidents", self._list)
        app.router.add_get(f"{base}/incidents/unresolved", self._unresolved)
        app.router.add_get(f"{base}/incidents/{{id}}", self._read)
        app.router.add_patch(f"{base}/incidents/{{id}}", self._update)
        app.router.add_get(f"{base}/components", self._components)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.calls.append(f"{request.method} {request.path}")
        fault = self._strike(request)
        if fault is not None and not fault.takes_effect:
            return _refusal(fault.status, fault.error, retry_after=fault.retry_after)
        answer = await self._answer(request, handler)
        if answer.status >= 400:
            self.refusals.append(f"{request.method} {request.path}: {answer.status}")
        if fault is not None:
            return _refusal(fault.status, fault.error)
        return answer

    async def _answer(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"OAuth {self.key}":
            return _refusal(401, "Could not authenticate")
        if request.match_info.get("page") != self.page.id:
            return _refusal(404, "Page not found")
        answer: web.StreamResponse = await handler(request)
        return answer

    def _strike(self, request: web.Request) -> Fault | None:
        if self.faults and self.faults[0].method in {"", request.method}:
            return self.faults.popleft()
        return None

    async def _create(self, request: web.Request) -> web.Response:
        wanted, problems = await self._wanted(request)
        if not wanted.get("name"):
            problems.append("Name can't be blank")
        if problems:
            return _refusal(422, problems)
        return web.json_response(self.page.create(wanted), status=201)

    async def _update(self, request: web.Request) -> web.Response:
        found = self.page.incidents.get(request.match_info["id"])
        if found is None:
            return _refusal(404, "Incident not found")
        wanted, problems = await self._wanted(request)
        if problems:
            return _refusal(422, problems)
        return web.json_response(self.page.update(found, wanted))

    async def _wanted(self, request: web.Request) -> tuple[JSON, list[str]]:
        """The incident of the request's body, and what the API would say against it."""
        try:
            body = await request.json()
        except json.JSONDecodeError:
            body = None
        wanted = body.get("incident") if isinstance(body, dict) else None
        if not isinstance(wanted, dict):
            return {}, ["incident is missing"]
        return wanted, _problems(wanted, self.page)

    async def _read(self, request: web.Request) -> web.Response:
        found = self.page.incidents.get(request.match_info["id"])
        if found is None:
            return _refusal(404, "Incident not found")
        return web.json_response(found)

    async def _list(self, request: web.Request) -> web.Response:
        limit = int(request.query.get("limit", 100))
        start = (int(request.query.get("page", 1)) - 1) * limit
        return web.json_response(self.page.newest()[start : start + limit])

    async def _unresolved(self, request: web.Request) -> web.Response:
        open_ones = [i for i in self.page.newest() if i["status"] not in {"resolved", "completed"}]
        return web.json_response(open_ones)

    async def _components(self, request: web.Request) -> web.Response:
        return web.json_response(
            [{"id": key, "status": status} for key, status in self.page.components.items()]
        )


_STATUSES = {"investigating", "identified", "monitoring", "resolved"}


def _problems(wanted: JSON, page: Page) -> list[str]:
    found = []
    if wanted.get("status", "investigating") not in _STATUSES:
        found.append("Status is not included in the list")
    if wanted.get("impact_override", "none") not in {"none", "minor", "major", "critical"}:
        found.append("Impact override is not included in the list")
    components = wanted.get("components") or {}
    named = {*components, *(wanted.get("component_ids") or [])}
    if unknown := sorted(named - set(page.components)):
        found.append(f"Component ids are not valid: {', '.join(unknown)}")
    if set(components.values()) - COMPONENT_STATUSES:
        found.append("Component status is not included in the list")
    metadata = wanted.get("metadata") or {}
    if not all(isinstance(value, dict) for value in metadata.values()):
        found.append("Metadata top-level values must be objects")
    if len(str(wanted.get("body", ""))) > 25_000:
        found.append("Body is too long (maximum is 25000 characters)")
    return found


def _refusal(
    status: int, error: str | list[str], *, retry_after: int | None = None
) -> web.Response:
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else None
    return web.json_response({"error": error}, status=status, headers=headers)
