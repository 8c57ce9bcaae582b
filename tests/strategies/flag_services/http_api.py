"""The procedure's own admin API: POST /admin/flags, GET /admin/flags/{flag}, with ETags."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.strategies.flag_services.server import FlagServer


class HttpApi(FlagServer):
    provider = "http"
    authorization = ("Authorization", "Bearer ")

    def __init__(self) -> None:
        super().__init__()
        self.flags: dict[str, dict[str, Any]] = {
            "oauth_auth": {"enabled": True, "percentage": 50, "updated_by": "dev@example.com"}
        }
        self.version = 7
        self.app.router.add_get("/admin/flags/{flag}", self._get)
        self.app.router.add_post("/admin/flags", self._post)

    @property
    def is_on(self) -> bool:
        flag = self.flags["oauth_auth"]
        return bool(flag["enabled"] and flag["percentage"])

    @property
    def state(self) -> Any:
        flag = self.flags["oauth_auth"]
        return flag["enabled"], flag["percentage"]

    def target(self) -> dict[str, Any]:
        return {"provider": "http", "url": self.url}

    def edit(self) -> str:
        self._write(percentage=80)
        return "alice@example.com"

    def turn(self, on: bool) -> str:
        self._write(enabled=on, percentage=100 if on else 0)
        return "alice@example.com"

    def _write(self, **changes: Any) -> None:
        self.flags["oauth_auth"].update(changes, updated_by="alice@example.com")
        self.version += 1

    async def _get(self, request: web.Request) -> web.Response:
        flag = self.flags.get(request.match_info["flag"])
        if flag is None:
            return self.refusal(404, "No such flag")
        return web.json_response(
            {"flag": request.match_info["flag"], **flag}, headers={"ETag": f'"{self.version}"'}
        )

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.json()
        if set(body) != {"flag", "enabled", "percentage"}:
            return self.refusal(422, "flag, enabled and percentage are required")
        if body["flag"] not in self.flags:
            return self.refusal(404, "No such flag")
        match = request.headers.get("If-Match")
        if match is not None and match != f'"{self.version}"':
            return self.refusal(412, "The flag was changed")
        flag = {"enabled": body["enabled"], "percentage": body["percentage"]}
        self.flags[body["flag"]].update(flag, updated_by="rollback-bot")
        self.version += 1
        return web.json_response({"flag": body["flag"], **flag})
