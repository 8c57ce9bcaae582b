"""LaunchDarkly's REST API for flags, version 20240415, as far as a rollback needs it."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from tests.strategies.flag_services.server import FlagServer

_SEMANTIC = "application/json; domain-model=launchdarkly.semanticpatch"


class LaunchDarklyServer(FlagServer):
    provider = "launchdarkly"

    def __init__(self) -> None:
        super().__init__()
        self.environment: dict[str, Any] = {
            "on": True,
            "archived": False,
            "salt": "abc",
            "lastModified": int(time.time() * 1000),
            "version": 4,
            "targets": [],
            "rules": [{"_id": "r1", "variation": 0, "clauses": []}],
            "fallthrough": {"rollout": {"variations": [{"variation": 0, "weight": 50000}]}},
            "offVariation": 1,
            "prerequisites": [],
            "_access": {"allowed": [{"action": "updateOn"}], "denied": []},
        }
        self.approvals: list[dict[str, Any]] = []
        self.scheduled: list[dict[str, Any]] = []
        self.approval_settings: dict[str, Any] = {"required": False, "requiredApprovalTags": []}
        self.author = "dev@example.com"
        add = self.app.router.add_get
        add("/api/v2/flags/{project}/{flag}", self._get)
        self.app.router.add_patch("/api/v2/flags/{project}/{flag}", self._patch)
        add("/api/v2/auditlog", self._auditlog)
        deep = "/api/v2/projects/web/flags/oauth_auth/environments/production"
        add(f"{deep}/approval-requests", self._approvals)
        add(f"{deep}/scheduled-changes", self._scheduled)
        add("/api/v2/projects/web/environments/production", self._environment)

    @property
    def is_on(self) -> bool:
        return bool(self.environment["on"])

    @property
    def state(self) -> Any:
        moving = {"version", "lastModified"}
        return {key: value for key, value in self.environment.items() if key not in moving}

    def target(self) -> dict[str, Any]:
        return {
            "provider": "launchdarkly",
            "url": self.url,
            "project": "web",
            "environment": "production",
        }

    def edit(self) -> str:
        return self._write("alice@example.com", rules=[])

    def turn(self, on: bool) -> str:
        return self._write("alice@example.com", on=on)

    def refusal(self, status: int, what: str) -> web.Response:
        code = {401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict"}
        body = {"code": code.get(status, "invalid_request"), "message": what}
        return web.json_response(body, status=status)

    def accepts(self, request: web.Request, name: str, prefix: str) -> bool:
        """A request that names no version gets that of its token, which may have ended."""
        if request.headers.get("LD-API-Version") != "20240415":
            return False
        return super().accepts(request, name, prefix)

    def _write(self, by: str, **changes: Any) -> str:
        self.environment.update(changes)
        self.environment["version"] += 1
        self.environment["lastModified"] = int(time.time() * 1000)
        self.author = by
        return by

    def _known(self, request: web.Request) -> bool:
        return (request.match_info["project"], request.match_info["flag"]) == ("web", "oauth_auth")

    async def _get(self, request: web.Request) -> web.Response:
        if not self._known(request):
            return self.refusal(404, "Unknown flag key")
        return web.json_response(self._flag(request.query.getall("env", [])))

    def _flag(self, environments: list[str]) -> dict[str, Any]:
        return {
            "key": "oauth_auth",
            "kind": "boolean",
            "_version": 2,
            "tags": ["auth"],
            "variations": [
                {"_id": "v1", "value": True, "name": "new login"},
                {"_id": "v2", "value": False, "name": "old login"},
            ],
            "archived": False,
            "environments": {"production": self.environment}
            if "production" in environments
            else {},
        }

    async def _patch(self, request: web.Request) -> web.Response:
        if not self._known(request):
            return self.refusal(404, "Unknown flag key")
        if request.headers["Content-Type"] != _SEMANTIC:
            return self.refusal(400, "Invalid JSON patch: expected an array of operations")
        body = await request.json()
        if set(body) - {"comment", "environmentKey", "instructions"}:
            return self.refusal(400, "Unknown member")
        if body.get("environmentKey") != "production":
            return self.refusal(400, "environmentKey is required")
        if self.approval_settings["required"]:
            return self.refusal(405, "Approval is required for this environment")
        if self.scheduled and request.query.get("ignoreConflicts") != "true":
            return self.refusal(400, "This change would conflict with pending scheduled changes")
        for instruction in body["instructions"]:
            if instruction["kind"] not in {"turnFlagOn", "turnFlagOff"}:
                return self.refusal(400, f"Unknown instruction {instruction['kind']}")
            on = instruction["kind"] == "turnFlagOn"
            if self.environment["on"] is not on:
                self._write("rollback-bot", on=on)
        return web.json_response(self._flag(["production"]))

    async def _auditlog(self, request: web.Request) -> web.Response:
        if request.query.get("spec") != "proj/web:env/production:flag/oauth_auth":
            return self.refusal(400, "Invalid resource specifier")
        entry = {"_id": "e", "kind": "flag", "member": {"email": self.author}}
        return web.json_response({"items": [entry]})

    async def _approvals(self, request: web.Request) -> web.Response:
        return web.json_response({"items": self.approvals})

    async def _scheduled(self, request: web.Request) -> web.Response:
        return web.json_response({"items": self.scheduled})

    async def _environment(self, request: web.Request) -> web.Response:
        return web.json_response({"key": "production", "approvalSettings": self.approval_settings})
