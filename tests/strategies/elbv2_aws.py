"""AWS on loopback for the ELBv2 strategy: moto's server, and what moto leaves out.

Moto keeps listeners, rules, target groups, tags and metrics, and speaks the real wire protocol.
Where it differs from AWS, this file makes it as AWS documents it:

- Moto calls every registered target healthy. Here a group that no rule uses is
  ``unused: Target.NotInUse``, and a test can give each target a state (``Aws.health``).
- Moto has no ``LookupEvents`` and no ``SimulatePrincipalPolicy``; a small server answers them.
- Nothing serves requests at moto's load balancers; the same server answers ``/version`` with the
  release of the group that has the most weight.
- Moto shows a client secret, which AWS never does; and it accepts figures in the namespace
  ``AWS/ApplicationELB``, which only AWS itself may publish.
"""

from __future__ import annotations

import copy
import json
import logging
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from unittest import mock

import boto3
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.responses import BaseResponse
from moto.elbv2.models import FakeHealthStatus, FakeTargetGroup, elbv2_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import ThreadedMotoServer

ACCOUNT, REGION = "123456789012", "eu-central-1"
SOMEBODY = f"arn:aws:sts::{ACCOUNT}:assumed-role/Developer/sam@example.com"
HEALTHY = ("healthy", "")
_LOST = "<ErrorResponse><Error><Code>InternalFailure</Code></Error></ErrorResponse>"
_TRAIL = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"


class HastyClock:
    """Implements ``bot.core.clock.Clock``: sleeping takes no time, but time passes."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 2, 12, 0, 10, tzinfo=UTC)
        self.meanwhile: list[Callable[[datetime], None]] = []
        """Called during every sleep."""

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        for happening in self.meanwhile:
            happening(self._now)


class Aws:
    """One account in one region."""

    def __init__(self) -> None:
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._beside = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._beside.serve_forever, args=(0.02,))
        self._clients: dict[str, Any] = {}
        self._kept: dict[str, Any] | None = None
        self.reset()

    def reset(self) -> None:
        """As after ``keep``, or an empty account."""
        cloudwatch_backends[ACCOUNT][REGION].reset()
        if self._kept is None:
            self.backend.reset()
        else:
            self._restore(self._kept)
        self.health: dict[tuple[str, str], tuple[str, str]] = {}
        """(target group's name, target's id) → state and reason."""
        self.calls: list[str] = []
        """Every operation of ELBv2 that was called, in order."""
        self.faults: dict[str, str] = {}
        """Operation → "before" or "after": the answer is lost, with or without the effect."""
        self.trail: list[dict[str, Any]] = []
        self.simulation: str | None = "allowed"
        """IAM's decision; None: the bot may not ask."""
        self.place = ""

    def keep(self) -> None:
        """Go back to the present state with every reset; building it anew takes long."""
        self._kept = self._state()

    def _state(self) -> dict[str, Any]:
        names = ("load_balancers", "target_groups", "tagging_service")
        subnets = [one for lb in self.backend.load_balancers.values() for one in lb.subnets]
        shared = {id(one): one for one in subnets}  # they hold on to all of EC2
        return copy.deepcopy({name: getattr(self.backend, name) for name in names}, shared)

    def _restore(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self.backend, name, value)
        self._kept = self._state()

    def start(self) -> None:
        self._moto.start()
        self._thread.start()

    def stop(self) -> None:
        self._moto.stop()
        self._beside.shutdown()
        self._beside.server_close()
        self._thread.join()

    @property
    def environment(self) -> dict[str, str]:
        """What boto3 needs to come here."""
        host, port = self._moto.get_host_and_port()
        return {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ENDPOINT_URL_CLOUDTRAIL": self.beside,
            "AWS_ENDPOINT_URL_IAM": self.beside,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "for-moto-only",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        }

    @property
    def beside(self) -> str:
        host, port = self._beside.server_address[:2]
        return f"http://{host!s}:{port}"

    def client(self, service: str) -> Any:
        """A client of somebody else."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                region_name=REGION,
                endpoint_url=self.environment["AWS_ENDPOINT_URL"],
                aws_access_key_id="AKIASOMEBODY",
                aws_secret_access_key="for-moto-only",
            )
        return self._clients[service]

    @property
    def backend(self) -> Any:
        return elbv2_backends[ACCOUNT][REGION]

    def actions(self) -> list[dict[str, Any]]:
        """As described now."""
        if ":listener-rule/" in self.place:
            rule = self.client("elbv2").describe_rules(RuleArns=[self.place])["Rules"][0]
            return cast(list[dict[str, Any]], rule["Actions"])
        listeners = self.client("elbv2").describe_listeners(ListenerArns=[self.place])
        return cast(list[dict[str, Any]], listeners["Listeners"][0]["DefaultActions"])

    def modify(self, actions: Sequence[dict[str, Any]], by: str = SOMEBODY) -> None:
        """A change by somebody else, with its trace in CloudTrail."""
        if ":listener-rule/" in self.place:
            self.client("elbv2").modify_rule(RuleArn=self.place, Actions=list(actions))
            request = {"ruleArn": self.place, "actions": list(actions)}
            self.trace("ModifyRule", request, by)
        else:
            self.client("elbv2").modify_listener(
                ListenerArn=self.place, DefaultActions=list(actions)
            )
            request = {"listenerArn": self.place, "defaultActions": list(actions)}
            self.trace("ModifyListener", request, by)
        self.calls.clear()

    def trace(self, event: str, request: dict[str, Any], by: str) -> None:
        record = {"eventName": event, "requestParameters": request, "userIdentity": {"arn": by}}
        moment = datetime(2026, 3, 2, 11, 58, len(self.trail), tzinfo=UTC).timestamp()
        self.trail.append(
            {"EventName": event, "EventTime": moment, "CloudTrailEvent": json.dumps(record)}
        )

    def writes(self) -> list[str]:
        """Operations that could change something."""
        return [call for call in self.calls if not call.startswith("Describe")]

    def served_release(self) -> str:
        """What a new request meets: the group with the most weight, by its tag."""
        listener = next(
            listener
            for balancer in self.backend.load_balancers.values()
            for listener in balancer.listeners.values()
            if self.place.startswith(
                (listener.arn, listener.arn.replace(":listener", ":listener-rule"))
            )
        )
        rule = listener.rules.get(self.place)
        actions = rule.actions if rule else listener.default_actions
        forward = next(action.data for action in actions if action.type == "forward")
        groups = (forward.get("ForwardConfig") or {}).get("TargetGroups") or [
            {"TargetGroupArn": forward["TargetGroupArn"], "Weight": 1}
        ]
        arn = max(groups, key=lambda one: int(one["Weight"]))["TargetGroupArn"]
        return str(self.backend.describe_tags([arn])[arn].get("version", ""))

    def publish(self, group: str, minute: datetime, requests: float) -> None:
        """One minute of a target group's figures."""
        balancer = next(iter(self.backend.load_balancers))
        self.client("cloudwatch").put_metric_data(
            Namespace="AWS/ApplicationELB",
            MetricData=[
                {
                    "MetricName": "RequestCountPerTarget",
                    "Dimensions": [
                        {"Name": "TargetGroup", "Value": group.split(":")[5]},
                        {
                            "Name": "LoadBalancer",
                            "Value": balancer.split(":")[5].removeprefix("loadbalancer/"),
                        },
                    ],
                    "Timestamp": minute,
                    "Value": requests,
                }
            ],
        )


def serve() -> Iterator[Aws]:
    """Run it with moto's differences from AWS taken away."""
    aws = Aws()
    call_action = BaseResponse.call_action

    def counted(self: Any) -> Any:
        if self.service_name != "elbv2":
            return call_action(self)
        action = self._get_action()
        aws.calls.append(action)
        fault = aws.faults.pop(action, None)
        answer = call_action(self) if fault != "before" else None
        if fault is not None:
            return (
                500,
                {},
                "<ErrorResponse><Error><Code>InternalFailure</Code></Error></ErrorResponse>",
            )
        return answer

    def health_for(self: Any, target: dict[str, Any], _: Any) -> FakeHealthStatus:
        state, reason = aws.health.get((self.name, target["Id"]), HEALTHY)
        used = aws.backend._any_listener_using(self.arn)
        if not used:
            state, reason = "unused", "Target.NotInUse"
        return FakeHealthStatus(
            target["Id"], target.get("Port") or self.port, "traffic-port", state, reason or None
        )

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for every request
    # Moto lists its folders for every request to find out which service is meant.
    remembered = cache(DomainDispatcherApplication.get_backend_for_host)
    with (
        mock.patch.object(DomainDispatcherApplication, "get_backend_for_host", remembered),
        mock.patch.object(BaseResponse, "call_action", counted),
        mock.patch.object(FakeTargetGroup, "health_for", health_for),
    ):
        aws.start()
        yield aws
        aws.stop()


def _handler(aws: Aws) -> type[BaseHTTPRequestHandler]:
    class Beside(BaseHTTPRequestHandler):
        """CloudTrail, IAM's simulation, and the service behind the load balancer."""

        def do_GET(self) -> None:
            self._answer(200, json.dumps({"version": aws.served_release()}))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self.headers.get("X-Amz-Target") == _TRAIL:
                wanted = json.loads(body)["LookupAttributes"][0]["AttributeValue"]
                found = [one for one in reversed(aws.trail) if one["EventName"] == wanted]
                self._answer(200, json.dumps({"Events": found}), "application/x-amz-json-1.1")
                return
            form = urllib.parse.parse_qs(body)
            if aws.simulation is None:
                self._answer(403, _denied(form["Action"][0]), "text/xml")
            elif form["Action"][0] == "GetRole":
                self._answer(200, _role(form["RoleName"][0]), "text/xml")
            else:
                self._answer(200, _simulated(form, aws.simulation), "text/xml")

        def _answer(self, status: int, text: str, kind: str = "application/json") -> None:
            payload = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Quiet."""

    return Beside


def _denied(action: str) -> str:
    return (
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User is not "
        f"authorized to perform: iam:{action}</Message></Error></ErrorResponse>"
    )


def _role(name: str) -> str:
    return (
        "<GetRoleResponse><GetRoleResult><Role><Path>/bots/</Path>"
        f"<Arn>arn:aws:iam::{ACCOUNT}:role/bots/{name}</Arn><RoleName>{name}</RoleName>"
        "<RoleId>AROAEXAMPLE</RoleId><CreateDate>2026-01-01T00:00:00Z</CreateDate>"
        "</Role></GetRoleResult></GetRoleResponse>"
    )


def _simulated(form: dict[str, list[str]], decision: str) -> str:
    missing = "<member>aws:ResourceTag/team</member>" if decision == "conditional" else ""
    said = "implicitDeny" if decision == "conditional" else decision
    return (
        "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult>"
        "<IsTruncated>false</IsTruncated><EvaluationResults><member>"
        f"<EvalActionName>{form['ActionNames.member.1'][0]}</EvalActionName>"
        f"<EvalResourceName>{form['ResourceArns.member.1'][0]}</EvalResourceName>"
        f"<EvalDecision>{said}</EvalDecision>"
        f"<MissingContextValues>{missing}</MissingContextValues></member></EvaluationResults>"
        "</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
    )
