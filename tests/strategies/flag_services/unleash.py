"""Unleash's admin API, as its OpenAPI document and feature-toggle-service describe it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.strategies.flag_services.server import FlagServer

_FEATURE = "/api/admin/projects/{project}/features/{flag}"
_PATH = f"{_FEATURE}/environments/{{environment}}"


class UnleashServer(FlagServer):
    provider = "unleash"

    def __init__(self) -> None:
        super().__init__()
        self.enabled = True
        self.strategies: list[dict[str, Any]] = [
            {"id": "s1", "name": "flexibleRollout", "parameters": {"rollout": "50"}}
        ]
        self.permissions: list[dict[str, Any]] = [
            {
                "permission": "UPDATE_FEATURE_ENVIRONMENT",
                "project": "web",
                "environment": "production",
            }
        ]
        self.change_requests: list[int] = []
        self.approvals: bool | None = None
        """Whether changes must be requested; None in the open source edition."""
        self.events: list[dict[str, Any]] = []
        self._record("feature-environment-enabled", "dev@example.com")
        self.archived = False
        self.app.router.add_get(_FEATURE, self._feature)
        self.app.router.add_get(_PATH, self._get)
        self.app.router.add_post(f"{_PATH}/{{state:on|off}}", self._toggle)
        self.app.router.add_get("/api/admin/events/{flag}", self._events)
        self.app.router.add_get("/api/admin/user", self._user)
        self.app.router.add_get(
            "/api/admin/projects/{project}/change-requests/config", self._change_request_config
        )

    @property
    def is_on(self) -> bool:
        return self.enabled

    @property
    def state(self) -> Any:
        return self.enabled, [dict(one) for one in self.strategies]

    def target(self) -> dict[str, Any]:
        return {
            "provider": "unleash",
            "url": self.url,
            "project": "web",
            "environment": "production",
        }

    def edit(self) -> str:
        self.strategies[0]["parameters"] = {"rollout": "100"}
        self._record("feature-strategy-update", "alice@example.com")
        return "alice@example.com"

    def turn(self, on: bool) -> str:
        self.enabled = on
        self._record(f"feature-environment-{'enabled' if on else 'disabled'}", "alice@example.com")
        return "alice@example.com"

    def refusal(self, status: int, what: str) -> web.Response:
        name = {401: "AuthenticationRequired", 403: "NoAccessError", 404: "NotFoundError"}
        body = {"id": "0", "name": name.get(status, "BadDataError"), "message": what}
        return web.json_response(body, status=status)

    def _record(self, kind: str, by: str) -> None:
        event = {
            "id": len(self.events) + 40,
            "type": kind,
            "createdBy": by,
            "createdAt": "2025-01-15T14:30:00.000Z",
            "environment": "production",
        }
        self.events.insert(0, event)

    def _known(self, request: web.Request) -> bool:
        names = request.match_info
        return (names["flag"], names["environment"]) == ("oauth_auth", "production")

    async def _feature(self, request: web.Request) -> web.Response:
        names = request.match_info
        if (names["project"], names["flag"]) != ("web", "oauth_auth") or self.archived:
            return self.refusal(404, f"Could not find feature flag with name {names['flag']}")
        environments = [{"name": "production", "enabled": self.enabled}]
        return web.json_response(
            {"name": "oauth_auth", "project": "web", "environments": environments}
        )

    async def _get(self, request: web.Request) -> web.Response:
        """As the real one: neither a wrong project nor the archive is noticed here."""
        if not self._known(request):
            return self.refusal(404, "Could not find feature environment")
        return web.json_response(
            {
                "name": "oauth_auth",
                "featureName": "oauth_auth",
                "environment": "production",
                "type": "production",
                "enabled": self.enabled,
                "sortOrder": 9999,
                "lastSeenAt": None,
                "strategies": self.strategies,
                "variants": [],
                "changeRequestIds": self.change_requests,
            }
        )

    async def _toggle(self, request: web.Request) -> web.Response:
        if not self._known(request):
            return self.refusal(404, "Could not find environment production for feature: x")
        if self.archived:
            return self.refusal(400, "Cannot perform this operation on archived features")
        if self.approvals and not any(
            one["permission"] in {"ADMIN", "SKIP_CHANGE_REQUEST"} for one in self.permissions
        ):
            return self.refusal(403, "You need the SKIP_CHANGE_REQUEST permission")
        on = request.match_info["state"] == "on"
        if self.enabled is not on:
            if on and all(one.get("disabled") for one in self.strategies):
                self.strategies.append({"id": "s9", "name": "default", "parameters": {}})
            self.enabled = on
            self._record(f"feature-environment-{'enabled' if on else 'disabled'}", "rollback-bot")
        return web.Response(status=200)

    async def _events(self, request: web.Request) -> web.Response:
        events = self.events if request.match_info["flag"] == "oauth_auth" else []
        other = {**self.events[-1], "id": 990, "environment": "development"}
        return web.json_response({"toggleName": "oauth_auth", "events": [other, *events]})

    async def _change_request_config(self, request: web.Request) -> web.Response:
        if self.approvals is None:
            return self.refusal(404, "No such path")
        environments = {"production": self.approvals, "development": True}
        return web.json_response(
            [
                {"environment": name, "type": name, "changeRequestEnabled": on}
                for name, on in environments.items()
            ]
        )

    async def _user(self, request: web.Request) -> web.Response:
        return web.json_response({"user": {"id": 1}, "permissions": self.permissions})
