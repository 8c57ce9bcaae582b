"""The Web API: authenticate, limit, check, carry out, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from aiohttp import web

from sandbox.slack.base.arguments import Arguments, read_arguments
from sandbox.slack.base.call import Call, missing_scope
from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.faults import Fault, Faults
from sandbox.slack.base.limits import RateLimiter
from sandbox.slack.base.model import ApiCall, Json
from sandbox.slack.base.specs import SPECS, MethodSpec
from sandbox.slack.base.world import World
from sandbox.slack.methods.registry import METHODS, Method


class RateLimited(SlackRefusal):
    """Too many calls; `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("ratelimited")
        self.retry_after = retry_after


class WebApi:
    """Answers /api/<method>."""

    def __init__(
        self,
        *,
        world: World,
        faults: Faults,
        calls: list[ApiCall],
        tokens: tuple[str, str],
        base_url: Callable[[], str],
        open_connection: Method,
    ) -> None:
        self._world = world
        self._faults = faults
        self._calls = calls
        self._bot_token, self._app_token = tokens
        self._base_url = base_url
        self._limiter = RateLimiter(world.clock)
        self._methods = {**METHODS, "apps.connections.open": open_connection}
        self.enforce_rate_limits = True

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request, from its record in `calls` to its answer or the lack of one."""
        method = request.match_info["method"]
        try:
            given = await read_arguments(request)
        except SlackRefusal as refusal:
            return self._respond(self._record(method, {}), refusal.to_api(), 200)
        token = self._token(request, given)
        index = self._record(method, given)
        fault = self._faults.take(method)
        if fault is not None and not fault.after_effect and not fault.delay:
            return self._fail(index, fault)
        status, headers, body = 200, {}, {}
        try:
            body = await self._carry_out(method, given, token)
        except RateLimited as refusal:
            status, headers = 429, {"Retry-After": str(refusal.retry_after)}
            body = refusal.to_api()
            self._world.note(method, refusal)
        except SlackRefusal as refusal:
            body = refusal.to_api()
            self._world.note(method, refusal)
        if fault is not None and fault.after_effect:
            return await self._lose(request, index, fault, body)
        if fault is not None:
            await asyncio.sleep(fault.delay)
        return self._respond(index, body, status, headers)

    def _token(self, request: web.Request, given: Json) -> str:
        header = request.headers.get("Authorization", "")
        argument = str(given.pop("token", ""))
        return header.removeprefix("Bearer ").strip() if header else argument

    async def _carry_out(self, method: str, given: Json, token: str) -> Json:
        spec = SPECS.get(method)
        if spec is None:
            raise SlackRefusal("unknown_method", req_method=method)
        self._authenticate(spec, token)
        if self.enforce_rate_limits:
            wait = self._limiter.wait(method, spec.tier, channel=str(given.get("channel", "")))
            if wait:
                raise RateLimited(wait)
        if spec.scopes and not set(spec.all_scopes) & set(self._world.app.scopes):
            raise missing_scope(spec.all_scopes, self._world.app.scopes)
        arguments = Arguments(given)
        arguments.check(spec)
        call = Call(world=self._world, spec=spec, args=arguments, base_url=self._base_url())
        return await self._methods[method](call)

    def _authenticate(self, spec: MethodSpec, token: str) -> None:
        if spec.anonymous:
            return
        if not token:
            raise SlackRefusal("not_authed")
        if token not in (self._bot_token, self._app_token):
            raise SlackRefusal("invalid_auth")
        if token != (self._app_token if spec.app_token else self._bot_token):
            raise SlackRefusal("not_allowed_token_type")

    # -- answers ---------------------------------------------------------------------------

    def _record(self, method: str, given: Json) -> int:
        call = ApiCall(method=method, args=dict(given), time=self._world.clock())
        self._calls.append(call)
        return len(self._calls) - 1

    def _answered(self, index: int, body: Json | None, status: int, *, delivered: bool) -> None:
        self._calls[index] = replace(
            self._calls[index], answer=body, status=status, delivered=delivered
        )
        self._world.changes.fire()

    def _respond(
        self, index: int, body: Json, status: int, headers: dict[str, str] | None = None
    ) -> web.Response:
        self._answered(index, body, status, delivered=True)
        spec = SPECS.get(self._calls[index].method)
        scopes = {"X-OAuth-Scopes": ",".join(self._world.app.scopes)}
        if spec is not None and spec.scopes:
            scopes["X-Accepted-OAuth-Scopes"] = ",".join(spec.all_scopes)
        return web.json_response(body, status=status, headers={**scopes, **(headers or {})})

    def _fail(self, index: int, fault: Fault) -> web.Response:
        if fault.error is not None:
            return self._respond(index, {"ok": False, "error": fault.error, **fault.extra}, 200)
        if fault.retry_after is not None:
            headers = {"Retry-After": str(fault.retry_after)}
            return self._respond(index, {"ok": False, "error": "ratelimited"}, 429, headers)
        status = fault.status or 500
        self._answered(index, None, status, delivered=True)
        return web.Response(status=status, text="Server Error", content_type="text/html")

    async def _lose(
        self, request: web.Request, index: int, fault: Fault, body: Json
    ) -> web.StreamResponse:
        """Hold the caller's connection, then drop it without a byte."""
        self._answered(index, body, 200, delivered=False)
        await asyncio.sleep(fault.hold or 0.0)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
