"""A shop behind an Application Load Balancer: blue with v2.0.0 waits, green with v2.1.0 is live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from moto.ec2.models import ec2_backends

from bot.catalog.service import ServiceEntry
from bot.engine.world import World
from bot.incident.plan import Plan, Step
from strategies.registry import strategy
from tests.strategies.elbv2_aws import ACCOUNT, REGION, Aws, HastyClock
from tests.strategies.running import run_step

OIDC: dict[str, Any] = {
    "Type": "authenticate-oidc",
    "Order": 1,
    "AuthenticateOidcConfig": {
        "Issuer": "https://login.example.com",
        "AuthorizationEndpoint": "https://login.example.com/authorize",
        "TokenEndpoint": "https://login.example.com/token",
        "UserInfoEndpoint": "https://login.example.com/userinfo",
        "ClientId": "shop",
        "ClientSecret": "not-for-anybodys-eyes",
        "SessionCookieName": "AWSELBAuthSessionCookie",
        "Scope": "openid",
        "SessionTimeout": 604800,
        "OnUnauthenticatedRequest": "authenticate",
        "AuthenticationRequestExtraParams": {"prompt": "login"},
    },
}
COGNITO: dict[str, Any] = {
    "Type": "authenticate-cognito",
    "Order": 1,
    "AuthenticateCognitoConfig": {
        "UserPoolArn": f"arn:aws:cognito-idp:{REGION}:123456789012:userpool/{REGION}_a",
        "UserPoolClientId": "shop",
        "UserPoolDomain": "shop",
        "OnUnauthenticatedRequest": "deny",
    },
}


def weighted(weights: dict[str, int], *, sticky: int | None = None, **more: Any) -> dict[str, Any]:
    """A forward action."""
    stickiness: dict[str, Any] = {"Enabled": sticky is not None}
    if sticky is not None:
        stickiness["DurationSeconds"] = sticky
    return {
        "Type": "forward",
        **more,
        "ForwardConfig": {
            "TargetGroups": [
                {"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()
            ],
            "TargetGroupStickinessConfig": stickiness,
        },
    }


@dataclass(kw_only=True)
class AwsShop:
    """The account, the bot's view of it, and the ARNs of what is in it."""

    aws: Aws
    world: World
    clock: HastyClock
    kind: Literal["listener", "rule"]
    balancer: str
    listener: str
    rule: str
    groups: dict[str, str]
    other_group: str

    @property
    def place(self) -> str:
        return self.listener if self.kind == "listener" else self.rule

    @property
    def service(self) -> ServiceEntry:
        return self.entry()

    def entry(self, **changes: Any) -> ServiceEntry:
        """The catalog's entry, with changes of its target."""
        target = {
            "strategy": "blue-green-elbv2",
            "region": REGION,
            f"{self.kind}_arn": self.place,
            "target_groups": self.groups,
            **changes,
        }
        return ServiceEntry.model_validate({"url": self.aws.beside, "rollback": [target]})

    async def plan(
        self,
        target: str | None = None,
        *,
        bad: frozenset[str] = frozenset({"v2.1.0"}),
        good: tuple[str, ...] = ("v2.0.0",),
        service: ServiceEntry | None = None,
    ) -> Plan:
        return await strategy("blue-green-elbv2").plan(
            "shop",
            service or self.service,
            self.world,
            target=target,
            marked_bad=bad,
            known_good=good,
        )

    async def run(self, step: Step) -> str:
        """What the pipeline does with one step."""
        return await run_step(step, self.world)

    async def run_all(self, plan: Plan) -> list[str]:
        return [await self.run(step) for step in plan.steps]

    async def undo(self, plan: Plan) -> None:
        """The inverses, the last one first."""
        for step in reversed(plan.steps):
            if step.inverse is not None:
                await self.run(step.model_copy(update={"action": step.inverse, "inverse": None}))

    def modify(self, *actions: dict[str, Any]) -> None:
        self.aws.modify(actions)

    def weights(self) -> dict[str, int]:
        """Colour → weight, as described now."""
        forward = next(a for a in self.aws.actions() if a["Type"] == "forward")
        config = forward.get("ForwardConfig") or {
            "TargetGroups": [{"TargetGroupArn": forward["TargetGroupArn"], "Weight": 1}]
        }
        names = {arn: colour for colour, arn in self.groups.items()}
        return {
            names.get(one["TargetGroupArn"], "other"): int(one["Weight"])
            for one in config["TargetGroups"]
        }

    def health(self, colour: str, *states: tuple[str, str]) -> None:
        """State and reason of the colour's targets, in order."""
        for number, state in enumerate(states, start=1):
            self.aws.health[f"shop-{colour}", _address(colour, number)] = state

    def tag(self, arn: str, **tags: str) -> None:
        self.aws.client("elbv2").add_tags(
            ResourceArns=[arn], Tags=[{"Key": k, "Value": v} for k, v in tags.items()]
        )
        self.aws.calls.clear()


@dataclass(frozen=True, kw_only=True)
class Premises:
    """ARNs of what was deployed."""

    balancer: str
    listener: str
    rule: str
    groups: dict[str, str]
    other_group: str


def deploy(aws: Aws) -> Premises:
    """As a team would have done it; the listener's default action and a rule go to green."""
    elb = aws.client("elbv2")
    vpc, subnets = _network()
    balancer = elb.create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0]
    groups = {
        colour: _group(elb, f"shop-{colour}", vpc, colour, version)
        for colour, version in (("blue", "v2.0.0"), ("green", "v2.1.0"))
    }
    other = _group(elb, "static", vpc, "static", "v1")
    elsewhere = [{"Type": "forward", "TargetGroupArn": other}]
    listener = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=elsewhere,
    )["Listeners"][0]["ListenerArn"]
    rule = elb.create_rule(
        ListenerArn=listener,
        Priority=10,
        Conditions=[{"Field": "path-pattern", "Values": ["/shop/*"]}],
        Actions=elsewhere,
    )["Rules"][0]["RuleArn"]
    return Premises(
        balancer=balancer["LoadBalancerArn"],
        listener=listener,
        rule=rule,
        groups=groups,
        other_group=other,
    )


def open_shop(
    aws: Aws,
    world: World,
    clock: HastyClock,
    premises: Premises,
    kind: Literal["listener", "rule"],
) -> AwsShop:
    """Green goes live, by the listener's default action or by the rule."""
    shop = AwsShop(aws=aws, world=world, clock=clock, kind=kind, **vars(premises))
    aws.place = shop.place
    aws.modify([{"Type": "forward", "TargetGroupArn": premises.groups["green"]}])
    aws.trail.clear()
    return shop


def _network() -> tuple[str, list[str]]:
    """The account's default network; a client of EC2 would take a second to make."""
    backend = ec2_backends[ACCOUNT][REGION]
    vpc = backend.get_default_vpc()
    assert vpc is not None
    subnets = backend.describe_subnets(filters={"vpc-id": [vpc.id]})
    return vpc.id, [subnet.id for subnet in subnets][:2]


def _group(elb: Any, name: str, vpc: str, colour: str, version: str) -> str:
    arn: str = elb.create_target_group(
        Name=name,
        Protocol="HTTP",
        Port=8080,
        VpcId=vpc,
        TargetType="ip",
        HealthCheckIntervalSeconds=10,
        HealthyThresholdCount=2,
        Tags=[{"Key": "version", "Value": version}],
    )["TargetGroups"][0]["TargetGroupArn"]
    targets = [{"Id": _address(colour, number)} for number in (1, 2, 3)]
    elb.register_targets(TargetGroupArn=arn, Targets=targets)
    return arn


def _address(colour: str, number: int) -> str:
    return f"10.0.{['blue', 'green', 'static'].index(colour)}.{10 + number}"
