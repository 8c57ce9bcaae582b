"""Flagsmith's admin API, as its Django views answer, with and without feature versioning."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.strategies.flag_services.server import FlagServer

_KEY = "8KzETdDeMY7xkqkSkY3Gsg"


class FlagsmithServer(FlagServer):
    provider = "flagsmith"
    authorization = ("Authorization", "Api-Key ")

    def __init__(self, *, versioning: bool = False) -> None:
        super().__init__()
        self.environment: dict[str, Any] = {
            "id": 12,
            "name": "Production",
            "api_key": _KEY,
            "project": 3,
            "minimum_change_request_approvals": None,
            "use_v2_feature_versioning": versioning,
        }
        self.feature_state: dict[str, Any] = {
            "id": 100,
            "feature": 9,
            "environment": 12,
            "enabled": True,
            "feature_state_value": "oidc",
            "multivariate_feature_state_values": [],
            "identity": None,
            "feature_segment": None,
            "updated_at": "2025-01-15T14:30:00.000000Z",
        }
        self.segments: list[tuple[str, bool]] = []
        self.identities: list[tuple[str, bool]] = []
        self.edge: list[tuple[str, bool]] | None = None
        self.permissions: list[str] = ["VIEW_ENVIRONMENT", "UPDATE_FEATURE_STATE"]
        self.author = "dev@example.com"
        self.wants_value = False
        """As the first releases of the update endpoint, which knew no change of one thing alone."""
        get = self.app.router.add_get
        base = f"/api/v1/environments/{_KEY}"
        get(f"{base}/", self._environment)
        get(f"{base}/my-permissions/", self._permissions)
        get(f"{base}/featurestates/", self._states)
        self.app.router.add_patch(f"{base}/featurestates/{{id}}/", self._patch)
        get(f"{base}/edge-identity-overrides", self._edge)
        get("/api/v1/features/featurestates/", self._all_states)
        get("/api/v1/features/feature-segments/", self._feature_segments)
        get("/api/v1/audit/", self._audit)
        self.app.router.add_post(
            f"/api/experiments/environments/{_KEY}/update-flag-v1/", self._update_flag
        )

    @property
    def is_on(self) -> bool:
        return bool(self.feature_state["enabled"])

    @property
    def state(self) -> Any:
        return self.feature_state["enabled"], self.feature_state["feature_state_value"]

    def target(self) -> dict[str, Any]:
        return {"provider": "flagsmith", "url": self.url, "environment": _KEY}

    def edit(self) -> str:
        self._write("alice@example.com", feature_state_value="saml")
        return "alice@example.com"

    def turn(self, on: bool) -> str:
        self._write("alice@example.com", enabled=on)
        return "alice@example.com"

    def refusal(self, status: int, what: str) -> web.Response:
        return web.json_response({"detail": what}, status=status)

    def _write(self, by: str, **changes: Any) -> None:
        state = self.feature_state
        minute = int(state["updated_at"][14:16]) + 1
        state.update(changes, updated_at=f"2025-01-15T14:{minute:02}:00.000000Z")
        if self.environment["use_v2_feature_versioning"]:
            state["id"] += 1  # every version has states of its own
            for option in state["multivariate_feature_state_values"]:
                option["id"] += 1
        self.author = by

    def _page(self, results: list[dict[str, Any]]) -> web.Response:
        page = {"count": len(results), "next": None, "previous": None, "results": results}
        return web.json_response(page)

    async def _environment(self, request: web.Request) -> web.Response:
        return web.json_response(self.environment)

    async def _permissions(self, request: web.Request) -> web.Response:
        return web.json_response({"permissions": self.permissions, "admin": False, "tag_based": []})

    async def _states(self, request: web.Request) -> web.Response:
        if "anyIdentity" in request.query:
            rows = [
                {
                    **self.feature_state,
                    "id": 200 + index,
                    "enabled": on,
                    "identity": {"id": index, "identifier": name},
                }
                for index, (name, on) in enumerate(self.identities)
            ]
            return self._page(rows)
        name = request.query.get("feature_name", "oauth_auth")
        return self._page([self.feature_state] if name.lower() == "oauth_auth" else [])

    async def _all_states(self, request: web.Request) -> web.Response:
        if "environment" not in request.query:
            return web.json_response(["'environment' GET parameter is required."], status=400)
        rows = [
            {**self.feature_state, "id": 300 + index, "enabled": on, "feature_segment": 70 + index}
            for index, (_, on) in enumerate(self.segments)
        ]
        return self._page([self.feature_state, *rows])

    async def _feature_segments(self, request: web.Request) -> web.Response:
        if not {"environment", "feature"} <= set(request.query):
            return self.refusal(400, "This field is required.")
        return self._page(
            [
                {"id": 70 + index, "segment": index, "segment_name": name, "priority": index}
                for index, (name, _) in enumerate(self.segments)
            ]
        )

    async def _edge(self, request: web.Request) -> web.Response:
        if self.edge is None:
            return self.refusal(400, "Dynamo DB is not enabled for this project")
        rows = [
            {"identifier": name, "identity_uuid": name, "feature_state": {"enabled": on}}
            for name, on in self.edge
        ]
        return web.json_response({"results": rows})

    async def _audit(self, request: web.Request) -> web.Response:
        return self._page(
            [{"id": 1, "log": "Flag state updated", "author": {"email": self.author}}]
        )

    async def _patch(self, request: web.Request) -> web.Response:
        if self.environment["use_v2_feature_versioning"]:
            return self.refusal(400, "Cannot update feature state with feature versioning.")
        if request.match_info["id"] != str(self.feature_state["id"]):
            return self.refusal(404, "Not found.")
        body = await request.json()
        self._write("rollback-bot", **{k: body[k] for k in ("enabled",) if k in body})
        return web.json_response({"feature": 9, "enabled": self.feature_state["enabled"]})

    async def _update_flag(self, request: web.Request) -> web.Response:
        if self.environment["minimum_change_request_approvals"] is not None:
            return self.refusal(403, "Cannot update flag: change requests are enabled.")
        body = await request.json()
        if body.get("feature") not in ({"id": 9}, {"name": "oauth_auth"}):
            return self.refusal(400, "Feature not found.")
        if self.wants_value and "value" not in body:
            return web.json_response({"value": ["This field is required."]}, status=400)
        if body.get("value", {"type": "string", "value": "oidc"}) != {
            "type": "string",
            "value": "oidc",
        }:
            return self.refusal(400, "Another value than it has.")
        self._write("rollback-bot", enabled=body["enabled"])
        return web.Response(status=204)
