"""A shop service: the program inside the images. One server a pod."""

import asyncio
import logging
import random
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from aiohttp import web

from sandbox.cluster.node.images import ContainerContext, Entrypoint, ImageRegistry
from sandbox.cluster.node.listening import stop_accepting
from sandbox.shop.accounts import login, owner_of
from sandbox.shop.metrics import PodMetrics
from sandbox.shop.releases import RELEASES, SERVICES, Release, reference

PORT = 8080
_LONGER_THAN_ANY_GRACE = 3600.0
# aiohttp takes 0 for "without limit".
_AT_ONCE = 0.001
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def push_releases(
    registry: ImageRegistry,
    *,
    seed: int,
    startup_factor: float = 1.0,
    releases: Iterable[Release] = RELEASES,
) -> None:
    """Publishes every release of every service.

    With the same seed the n-th request to an image fails, or not, in every run alike.
    `startup_factor` stretches or shortens the releases' start-up times.
    """
    for release in releases:
        build = replace(release, startup=release.startup * startup_factor)
        for service in SERVICES:
            image = reference(service, release.version)
            chance = random.Random(f"{seed}:{image}")
            registry.push(image, entrypoint(service, build, chance))


def entrypoint(service: str, release: Release, chance: random.Random) -> Entrypoint:
    """The program of one image; `chance` decides which requests fail and how long they take."""

    async def main(context: ContainerContext) -> int:
        configured = _configured(release, context)
        context.log(f"INFO starting {service} {release.version}")
        await asyncio.sleep(release.startup)
        if release.crashes:
            for line in release.failure.splitlines():
                context.log(line)
            return 1
        await _serve(ShopServer(service, configured, chance, context), context)
        context.log("INFO stopped")
        return 0

    return main


def _configured(release: Release, context: ContainerContext) -> Release:
    """The release as the pod's configuration bends it (`SHOP_ERROR_RATE`, `SHOP_LATENCY_MS`)."""
    env = context.env
    return replace(
        release,
        error_rate=float(env.get("SHOP_ERROR_RATE", release.error_rate)),
        latency=float(env.get("SHOP_LATENCY_MS", release.latency * 1000)) / 1000,
    )


async def _serve(server: "ShopServer", context: ContainerContext) -> None:
    """Until SIGTERM; then no new connections, and requests under way are finished."""
    runner = web.AppRunner(
        server.application(),
        access_log=None,
        shutdown_timeout=_LONGER_THAN_ANY_GRACE,
        logger=_pod_logger(context),
    )
    await runner.setup()
    connections = runner.server
    assert connections is not None  # noqa: S101 - there from `setup` to `cleanup`
    listener = context.listen(PORT)
    try:
        await web.SockSite(runner, listener).start()
        context.log(f"INFO listening on :{PORT}")
        await context.terminating.wait()
        context.log("INFO SIGTERM received, finishing open requests")
        await stop_accepting(listener)
        await runner.cleanup()
    finally:
        # After SIGKILL requests are still open: they end in the middle.
        await stop_accepting(listener)
        await connections.shutdown(_AT_ONCE)
        await runner.cleanup()
        listener.close()


def _pod_logger(context: ContainerContext) -> logging.Logger:
    """What the web server has to say belongs to the pod's output, as in a real container."""
    logger = logging.Logger("shop")
    logger.addHandler(_PodOutput(context))
    return logger


class _PodOutput(logging.Handler):
    def __init__(self, context: ContainerContext) -> None:
        super().__init__()
        self._context = context

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():
            self._context.log(line)


class ShopServer:
    """`/`, `/checkout`, `/login` and `/basket` are the business; the rest tells how it goes."""

    def __init__(
        self, service: str, release: Release, chance: random.Random, context: ContainerContext
    ) -> None:
        self._service, self._release = service, release
        self._chance, self._context = chance, context
        self._metrics = PodMetrics(service=service, version=release.version)

    def application(self) -> web.Application:
        app = web.Application()
        for path in ("/", "/checkout"):
            app.router.add_route("GET", path, self._business)
            app.router.add_route("POST", path, self._business)
        app.router.add_post("/login", self._login)
        app.router.add_get("/basket", self._basket)
        app.router.add_get("/health", self._health)
        app.router.add_get("/version", self._version)
        app.router.add_get("/metrics", self._scrape)
        return app

    async def _business(self, request: web.Request) -> web.Response:
        done = {"service": self._service, "version": self._release.version, "order": "accepted"}
        return await self._attempt(request, done)

    async def _login(self, request: web.Request) -> web.Response:
        token = login(await request.read())
        if token is None:
            return web.json_response({"error": "wrong user or password"}, status=401)
        return await self._attempt(request, {"access": {"token": token}})

    async def _basket(self, request: web.Request) -> web.Response:
        owner = owner_of(request.headers.get("Authorization", ""))
        if owner is None:
            return web.json_response({"error": "log in first"}, status=401)
        return await self._attempt(request, {"owner": owner, "items": [{"currency": "EUR"}]})

    async def _attempt(self, request: web.Request, done: dict[str, Any]) -> web.Response:
        """Answer as the release can: by its error rate, after its latency."""
        fails = self._chance.random() < self._release.error_rate
        spread = self._chance.lognormvariate(0, 0.25)
        began = time.perf_counter()
        await asyncio.sleep(self._release.latency * spread)
        seconds = time.perf_counter() - began
        code = 500 if fails else 200
        self._metrics.observe(code=code, method=request.method, path=request.path, seconds=seconds)
        if fails:
            self._log_failure(request, seconds)
            return web.json_response({"error": "internal error"}, status=500)
        return web.json_response(done)

    def _log_failure(self, request: web.Request, seconds: float) -> None:
        milliseconds = round(seconds * 1000)
        self._context.log(f"ERROR {request.method} {request.path} 500 {milliseconds}ms")
        for line in self._release.failure.splitlines():
            self._context.log(line)

    async def _health(self, _: web.Request) -> web.Response:
        if self._release.healthy:
            return web.json_response({"status": "ok"})
        return web.json_response({"status": "database unreachable"}, status=503)

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"service": self._service, "version": self._release.version})

    async def _scrape(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.render(), headers={"Content-Type": _METRICS_TYPE})
