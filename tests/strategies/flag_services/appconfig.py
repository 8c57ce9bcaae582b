"""The part of AWS AppConfig's REST API that deployments use, for boto3 over AWS_ENDPOINT_URL."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from aiohttp.test_utils import unused_port

from tests.strategies.flag_services.server import FlagServer

_ENVIRONMENT = "/applications/abc1234/environments/env1234"


class AppConfigServer(FlagServer):
    provider = "appconfig"
    content_types = frozenset({"application/json", "application/x-www-form-urlencoded"})
    # Always the same in this process, so that tests can share a boto3 client: making one takes
    # longer than a test.
    port = unused_port()

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[str, bool | None] = {"1": False, "2": True, "3": True}
        self.deployments: list[dict[str, Any]] = []
        self.deploy("1", state="COMPLETE", ago=timedelta(days=9))
        self.deploy("2", state="COMPLETE", ago=timedelta(hours=2))
        self.rolling_back_reads = 0
        self.may: dict[str, str] | None = {}
        """Action → IAM's decision where it is not “allowed”; None: the bot may not ask."""
        self.simulated: list[tuple[str, str]] = []
        """What IAM was asked about: action and ARN."""
        self.app.router.add_post("/", self._identity_and_rights)
        add = self.app.router.add_get
        add(f"{_ENVIRONMENT}/deployments", self._list)
        self.app.router.add_post(f"{_ENVIRONMENT}/deployments", self._start)
        self.app.router.add_delete(f"{_ENVIRONMENT}/deployments/{{number}}", self._stop)
        add(
            "/applications/abc1234/configurationprofiles/prof123/hostedconfigurationversions/{n}",
            self._version,
        )

    def accepts(self, request: web.Request, name: str, prefix: str) -> bool:
        return request.headers.get(name, "").startswith("AWS4-HMAC-SHA256 Credential=AKIATEST/")

    def reads(self, request: web.Request) -> bool:
        return super().reads(request) or request.path == "/"

    def deploy(self, version: str, *, state: str, ago: timedelta) -> None:
        started = datetime.now(UTC) - ago
        deployment = {
            "DeploymentNumber": len(self.deployments) + 1,
            "ConfigurationProfileId": "prof123",
            "ConfigurationName": "flags",
            "ConfigurationVersion": version,
            "DeploymentDurationInMinutes": 20,
            "GrowthType": "LINEAR",
            "GrowthFactor": 20.0,
            "FinalBakeTimeInMinutes": 10,
            "State": state,
            "PercentageComplete": 100.0 if state == "COMPLETE" else 40.0,
            "StartedAt": started.isoformat(),
        }
        if state == "COMPLETE":
            deployment["CompletedAt"] = started.isoformat()
        self.deployments.insert(0, deployment)

    @property
    def live(self) -> dict[str, Any]:
        gone = {"ROLLED_BACK", "REVERTED", "ROLLING_BACK"}
        return next(one for one in self.deployments if one["State"] not in gone)

    @property
    def is_on(self) -> bool:
        return bool(self.versions[self.live["ConfigurationVersion"]])

    @property
    def state(self) -> Any:
        return self.live["ConfigurationVersion"]

    def target(self) -> dict[str, Any]:
        return {
            "provider": "appconfig",
            "application": "abc1234",
            "environment": "env1234",
            "profile": "prof123",
            "region": "eu-central-1",
        }

    def edit(self) -> str:
        self.deploy("3", state="COMPLETE", ago=timedelta(seconds=1))
        return "deployment 3 in AWS AppConfig"

    def turn(self, on: bool) -> str:
        self.deploy("3" if on else "1", state="COMPLETE", ago=timedelta(0))
        return f"deployment {len(self.deployments)} in AWS AppConfig"

    def refusal(self, status: int, what: str) -> web.Response:
        names = {401: "UnrecognizedClientException", 404: "ResourceNotFoundException"}
        name = names.get(status, "BadRequestException")
        headers = {"x-amzn-errortype": name}
        return web.json_response({"Message": what}, status=status, headers=headers)

    async def _list(self, request: web.Request) -> web.Response:
        rolling = next((one for one in self.deployments if one["State"] == "ROLLING_BACK"), None)
        if rolling is not None:
            self.rolling_back_reads += 1
            if self.rolling_back_reads > 1:
                rolling["State"] = "ROLLED_BACK"
        other = {
            **self.deployments[-1],
            "DeploymentNumber": 90,
            "ConfigurationProfileId": "othr123",
        }
        return web.json_response({"Items": [other, *self.deployments]})

    async def _start(self, request: web.Request) -> web.Response:
        body = await request.json()
        needed = {"ConfigurationProfileId", "ConfigurationVersion", "DeploymentStrategyId"}
        if not needed <= set(body) or body["DeploymentStrategyId"] != "AppConfig.AllAtOnce":
            return self.refusal(400, "Invalid deployment")
        if any(one["State"] in {"DEPLOYING", "BAKING"} for one in self.deployments):
            return self.refusal(409, "Deployment already in progress")
        self.deploy(body["ConfigurationVersion"], state="BAKING", ago=timedelta(0))
        return web.json_response(self.deployments[0], status=201)

    async def _stop(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        found = next((d for d in self.deployments if d["DeploymentNumber"] == number), None)
        if found is None:
            return self.refusal(404, "Deployment not found")
        revert = request.headers.get("Allow-Revert") == "true"
        if found["State"] in {"DEPLOYING", "BAKING", "VALIDATING"}:
            found["State"] = "ROLLING_BACK"
        elif found["State"] == "COMPLETE" and revert:
            completed = datetime.fromisoformat(found["CompletedAt"])
            if datetime.now(UTC) - completed > timedelta(hours=72):
                return self.refusal(400, "Deployment is too old to be reverted")
            found["State"] = "REVERTED"
        else:
            return self.refusal(400, f"Deployment {number} cannot be stopped")
        return web.json_response(found, status=202)

    async def _version(self, request: web.Request) -> web.Response:
        number = request.match_info["n"]
        if number not in self.versions:
            return self.refusal(404, "Version not found")
        enabled = self.versions[number]
        document = {
            "version": "1",
            "flags": {} if enabled is None else {"oauth_auth": {"name": "OAuth"}},
            "values": {} if enabled is None else {"oauth_auth": {"enabled": enabled}},
        }
        return web.Response(
            body=json.dumps(document).encode(),
            content_type="application/json",
            headers={"Version-Number": number},
        )

    async def _identity_and_rights(self, request: web.Request) -> web.Response:
        """STS and IAM, whose requests are forms and whose answers are XML."""
        form = await request.post()
        if form["Action"] == "GetCallerIdentity":
            identity = (
                "<Arn>arn:aws:iam::123456789012:user/rollback-bot</Arn><UserId>AIDA</UserId>"
                "<Account>123456789012</Account>"
            )
            return _xml("GetCallerIdentity", identity)
        if self.may is None:
            denied = "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
            return web.Response(text=denied, status=403, content_type="text/xml")
        action = str(form["ActionNames.member.1"])
        resource = str(form["ResourceArns.member.1"])
        decision = self.may.get(action, "allowed")
        member = (
            f"<member><EvalActionName>{action}</EvalActionName>"
            f"<EvalResourceName>{resource}</EvalResourceName>"
            f"<EvalDecision>{decision}</EvalDecision></member>"
        )
        self.simulated.append((action, resource))
        return _xml("SimulatePrincipalPolicy", f"<EvaluationResults>{member}</EvaluationResults>")


def _xml(name: str, result: str) -> web.Response:
    text = f"<{name}Response><{name}Result>{result}</{name}Result></{name}Response>"
    return web.Response(text=text, content_type="text/xml")
