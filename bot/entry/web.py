"""The bot's own HTTP server: Slack's requests, alerts, health, readiness, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp

from bot.alerts.door import BODY_SECONDS, AlertsDoor, alerts_handler
from bot.alerts.source import ALERT_SOURCES, path_of
from bot.core.errors import PermanentError

Ready = Callable[[], Awaitable[list[str]]]
"""What is not ready yet, one sentence each; empty means ready."""

IDLE_SECONDS = 75.0
"""A connection on which no request has come in whole for so long is closed: nobody holds it open
by sending a header byte by byte. Longer than what the usual proxies wait between two requests
(60 s), so that none sends one just when we close."""
LINGERING_SECONDS = 2.0
"""So long the rest of a body is thrown away that was answered before its end."""


class WebServer:
    """Listens on one address."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        ready: Ready,
        registry: CollectorRegistry,
        slack: AsyncApp | None,
        alerts: AlertsDoor | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._ready = ready
        self._registry = registry
        self._slack = slack
        self._alerts = alerts
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen; raises PermanentError when the address cannot be had."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        for source in ALERT_SOURCES.names:
            app.router.add_post(path_of(source), alerts_handler(self._alerts, source))
        if self._slack is not None:
            app.router.add_post("/slack/events", self._events)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGERING_SECONDS,
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            raise PermanentError(
                f"Cannot listen on {self._host}:{self._port}: {error.strerror}.",
                "Set ROLLBACK_HOST and ROLLBACK_PORT to an address that is free.",
            ) from error

    async def stop(self) -> None:
        """Stop listening and finish what is being answered."""
        if self._runner:
            await self._runner.cleanup()

    async def _events(self, request: web.Request) -> web.Response:
        if self._slack is None:
            raise web.HTTPNotFound
        if not request.headers.get("X-Slack-Request-Timestamp", "0").isdecimal():
            raise web.HTTPUnauthorized
        try:
            # Read before anything else: until the signature was checked, anybody may be sending.
            async with asyncio.timeout(BODY_SECONDS):
                await request.read()
            bolt_request = await to_bolt_request(request)
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        except (LookupError, ValueError, AttributeError, TypeError):
            # Bolt reads the body before it looks at the signature: any stranger comes this far.
            raise web.HTTPBadRequest(text="The body is not what Slack sends.\n") from None
        response: web.Response = await to_aiohttp_response(
            await self._slack.async_dispatch(bolt_request)
        )
        return response

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        problems = await self._ready()
        if problems:
            return web.Response(status=503, text="\n".join(problems) + "\n")
        return web.Response(text="ready\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        # Counts anew, also where nobody asks whether we are ready.
        await self._ready()
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
