"""The shop's admin API and an ntfy topic on loopback, as far as the extension uses them.

``python tests/shop_server.py 8099`` serves what rollback.yml names.
"""

from __future__ import annotations

import sys

from aiohttp import web


class ShopServer:
    """v2.1.0 is live, and v2.0.0 was before."""

    def __init__(self) -> None:
        self.releases = ["v2.1.0", "v2.0.0"]
        """The live one first."""
        self.version = 1
        self.writes = 0
        self.notifications: list[str] = []
        self.app = web.Application()
        self.app.router.add_get("/release", self._get)
        self.app.router.add_put("/release", self._put)
        self.app.router.add_post("/shop", self._notify)
        self.app.router.add_get("/shop/json", self._notified)

    def switch(self, release: str) -> None:
        """Make it the live one, as anybody may."""
        self.releases = [release, *(one for one in self.releases if one != release)]
        self.version += 1

    async def _get(self, _: web.Request) -> web.Response:
        body = {"live": self.releases[0], "previous": self.releases[1:]}
        return web.json_response(body, headers={"ETag": f'"{self.version}"'})

    async def _put(self, request: web.Request) -> web.Response:
        if request.headers.get("If-Match") not in {f'"{self.version}"', "*"}:
            return web.Response(status=412)
        self.writes += 1
        self.switch((await request.json())["live"])
        return web.Response(status=204)

    async def _notify(self, request: web.Request) -> web.Response:
        self.notifications.append(await request.text())
        return web.json_response({})

    async def _notified(self, _: web.Request) -> web.Response:
        return web.json_response(self.notifications)


if __name__ == "__main__":
    web.run_app(ShopServer().app, host="127.0.0.1", port=int(sys.argv[1]))
