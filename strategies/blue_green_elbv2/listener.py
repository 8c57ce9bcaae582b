"""The target groups of a service behind an Application Load Balancer, as they are now."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from bot.catalog.service import ServiceEntry
from bot.catalog.target import Target as Target_
from bot.catalog.types import ELBV2_ARN, Duration, TargetGroupArn
from bot.clouds.kubernetes.workloads import same_release
from bot.clouds.outside import Aws
from bot.core.errors import ConfigurationError, NotFoundError, PermanentError
from bot.core.values import Value
from bot.engine.world import World
from strategies.common.commands import aws_cli, version_url

# Rolling back on AWS by the weights of an Application Load Balancer.

ListenerArn = Annotated[str, StringConstraints(pattern=ELBV2_ARN + r"listener/app/")]
RuleArn = Annotated[str, StringConstraints(pattern=ELBV2_ARN + r"listener-rule/app/")]


class Elbv2Target(Target_):
    """A listener or one of its rules, whose forward action chooses between target groups."""

    strategy: Literal["blue-green-elbv2"]
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d+$")
    listener_arn: ListenerArn | None = None
    """The listener whose default action is switched; or else:"""
    rule_arn: RuleArn | None = None
    """the rule whose actions are switched."""
    target_groups: dict[str, TargetGroupArn] = Field(min_length=2, max_length=5)
    """Colour → ARN of its target group. A forward action holds five groups at most."""
    version_tag: str = "version"
    """The target groups' tag that names the release; without it the group's name does."""
    drain_timeout: Duration = timedelta(minutes=5)
    """How long the old group's last requests are waited for; CloudWatch tells by the minute."""

    @model_validator(mode="after")
    def _one_place_and_different_groups(self) -> Elbv2Target:
        if (self.listener_arn is None) == (self.rule_arn is None):
            raise ValueError("name either listener_arn or rule_arn")
        if len(set(self.target_groups.values())) < len(self.target_groups):
            raise ValueError("two colours have the same target group")
        place = self.listener_arn or self.rule_arn or ""
        strange = {
            arn for arn in (place, *self.target_groups.values()) if arn.split(":")[3] != self.region
        }
        if strange:
            raise ValueError(f"not in region {self.region}: {', '.join(sorted(strange))}")
        return self

    @property
    def is_in_cluster(self) -> bool:
        """It is a load balancer of AWS."""
        return False


# The action list of a listener or rule: read, compared, and changed only where it forwards.
#
# ``modify_listener`` and ``modify_rule`` replace the whole list, so all other actions
# (authentication, token validation) are sent back as they were.
# Source: ELBv2 API reference, 2015-12-01, Action and ForwardActionConfig.

Action: TypeAlias = dict[str, Any]

_UNWRITTEN = ("ClientSecret", "UseExistingClientSecret")
"""AWS never shows the secret, and the flag is no state: it says how to write."""


class Forward(Value):
    """Where requests go."""

    weights: dict[str, int]
    """Target group's ARN → weight; a group with weight 0 is health-checked but gets nothing."""
    sticky_seconds: int | None = None
    """Clients stay with the group that they met first for so long, whatever the weights say."""

    @property
    def serving(self) -> tuple[str, ...]:
        """Groups that get requests, the one with the most first."""
        shares = [(weight, arn) for arn, weight in self.weights.items() if weight > 0]
        return tuple(arn for _, arn in sorted(shares, key=lambda share: -share[0]))


def forward_of(actions: Sequence[Action]) -> Forward:
    """The forward action; raises ConfigurationError when requests are not forwarded at all."""
    for action in actions:
        if action["Type"] == "forward":
            return _forward(action)
    kinds = ", ".join(action["Type"] for action in actions) or "nothing"
    raise ConfigurationError(
        f"The listener or rule does not forward requests (it does: {kinds}).",
        "Name in rollback.yml the listener or rule that forwards the service's requests.",
    )


def writable(actions: Sequence[Action]) -> list[Action]:
    """The list as it can be sent back; secrets are left out, and kept by AWS itself."""
    kept = copy.deepcopy(list(actions))
    for action in kept:
        oidc = action.get("AuthenticateOidcConfig")
        if oidc is not None:
            oidc.pop("ClientSecret", None)
            oidc["UseExistingClientSecret"] = True
        if action["Type"] == "forward" and len(_forward(action).weights) > 1:
            action.pop("TargetGroupArn", None)
    return kept


def with_forward(actions: Sequence[Action], forward: Forward) -> list[Action]:
    """The same list with another forward action at the same place."""
    return [
        _forwarding(action, forward) if action["Type"] == "forward" else action
        for action in writable(actions)
    ]


def same(one: Sequence[Action], other: Sequence[Action]) -> bool:
    """Whether both lists do the same, however they are written."""
    return comparable(one) == comparable(other)


def comparable(actions: Sequence[Action]) -> list[Action]:
    """One way to write a list: in order, weights spelled out, without what AWS does not show."""
    ordered = sorted(actions, key=lambda action: action.get("Order") or 0)
    return [_comparable(action) for action in ordered]


def other_kinds(actions: Sequence[Action]) -> list[str]:
    """Types of the actions that must stay as they are."""
    return [action["Type"] for action in actions if action["Type"] != "forward"]


def _forward(action: Action) -> Forward:
    config = action.get("ForwardConfig") or {}
    groups = config.get("TargetGroups") or [{"TargetGroupArn": action["TargetGroupArn"]}]
    stickiness = config.get("TargetGroupStickinessConfig") or {}
    return Forward(
        weights={group["TargetGroupArn"]: int(group.get("Weight", 1)) for group in groups},
        sticky_seconds=int(stickiness["DurationSeconds"]) if stickiness.get("Enabled") else None,
    )


def _forwarding(action: Action, forward: Forward) -> Action:
    stickiness: dict[str, Any] = {"Enabled": forward.sticky_seconds is not None}
    if forward.sticky_seconds is not None:
        stickiness["DurationSeconds"] = forward.sticky_seconds
    order = {"Order": action["Order"]} if "Order" in action else {}
    return {
        "Type": "forward",
        **order,
        "ForwardConfig": {
            "TargetGroups": [
                {"TargetGroupArn": arn, "Weight": weight} for arn, weight in forward.weights.items()
            ],
            "TargetGroupStickinessConfig": stickiness,
        },
    }


def _comparable(action: Action) -> Action:
    rest = {key: value for key, value in action.items() if key != "Order"}
    if action["Type"] == "forward":
        forward = _forward(action)
        alone = len(forward.weights) == 1 and forward.serving
        weights = dict.fromkeys(forward.weights, 1) if alone else forward.weights
        return {"Type": "forward", "weights": weights, "sticky": forward.sticky_seconds}
    if "AuthenticateOidcConfig" in rest:
        oidc = rest["AuthenticateOidcConfig"]
        rest["AuthenticateOidcConfig"] = {k: v for k, v in oidc.items() if k not in _UNWRITTEN}
    return rest


# The place in a load balancer that is switched: a listener's default action or a rule.


class Place(Value):
    """Where the actions are."""

    kind: Literal["listener", "rule"]
    """AWS changes a default rule through its listener only."""
    arn: str
    region: str

    def __str__(self) -> str:
        what = "the listener's default action" if self.kind == "listener" else "the rule"
        return f"{what} {self.arn.split('/', 1)[1]}"

    @property
    def listener_arn(self) -> str:
        """The listener, also of a rule."""
        return self.arn if self.kind == "listener" else listener_of(self.arn)

    @property
    def load_balancer_arn(self) -> str:
        """``…:listener/app/lb/id/listener`` → ``…:loadbalancer/app/lb/id``."""
        return self.listener_arn.replace(":listener/", ":loadbalancer/").rsplit("/", 1)[0]

    @property
    def permission(self) -> str:
        """The IAM action that changes it."""
        operation = "ModifyListener" if self.kind == "listener" else "ModifyRule"
        return f"elasticloadbalancing:{operation}"

    @property
    def event(self) -> tuple[str, str]:
        """CloudTrail's name of such a change, and of the parameter that holds the ARN."""
        if self.kind == "listener":
            return "ModifyListener", "listenerArn"
        return "ModifyRule", "ruleArn"

    async def read(self, aws: Aws) -> list[Action]:
        """The actions as they are now."""
        if self.kind == "listener":
            answer = await aws.call(
                "elbv2", "describe_listeners", region=self.region, ListenerArns=[self.arn]
            )
            actions: list[Action] = answer["Listeners"][0]["DefaultActions"]
            return actions
        answer = await aws.call("elbv2", "describe_rules", region=self.region, RuleArns=[self.arn])
        found: list[Action] = answer["Rules"][0]["Actions"]
        return found

    async def write(self, aws: Aws, actions: Sequence[Action]) -> None:
        """Replace the actions; everything else of the listener or rule stays as it is."""
        operation, arguments = (
            ("modify_listener", {"ListenerArn": self.arn, "DefaultActions": list(actions)})
            if self.kind == "listener"
            else ("modify_rule", {"RuleArn": self.arn, "Actions": list(actions)})
        )
        await aws.call("elbv2", operation, region=self.region, **arguments)

    def command(self, actions: Sequence[Action]) -> str:
        """The same change by hand."""
        text = json.dumps(list(actions), separators=(",", ":"), sort_keys=True)
        verb, name, option = (
            ("modify-listener", "--listener-arn", "--default-actions")
            if self.kind == "listener"
            else ("modify-rule", "--rule-arn", "--actions")
        )
        return aws_cli(self.region, "elbv2", verb, name, self.arn, option, text)


async def find_place(target: Elbv2Target, aws: Aws) -> Place:
    """The catalog's place; the default rule's is its listener."""
    if target.listener_arn is not None:
        return Place(kind="listener", arn=target.listener_arn, region=target.region)
    arn = str(target.rule_arn)
    answer = await aws.call("elbv2", "describe_rules", region=target.region, RuleArns=[arn])
    if answer["Rules"][0].get("IsDefault"):
        return Place(kind="listener", arn=listener_of(arn), region=target.region)
    return Place(kind="rule", arn=arn, region=target.region)


def listener_of(rule_arn: str) -> str:
    """``…:listener-rule/app/lb/id/listener/rule`` → ``…:listener/app/lb/id/listener``."""
    return rule_arn.replace(":listener-rule/", ":listener/").rsplit("/", 1)[0]


def dimension(arn: str) -> str:
    """How CloudWatch names a target group or load balancer: the end of its ARN."""
    name = arn.split(":", 5)[5]
    return name.removeprefix("loadbalancer/")


# The targets of a target group and their health, in the words of the ELBv2 API.

_LOST = {"Target.NotRegistered", "Target.InvalidState", "Target.IpUnusable"}
"""Reasons that no health check will change."""


class Target(Value):
    """An instance, address or function."""

    name: str
    state: str
    """healthy, initial, unhealthy, unused, draining, unavailable …"""
    reason: str = ""
    """Such as Target.NotInUse: registered, but never health-checked."""
    description: str = ""

    @property
    def healthy(self) -> bool:
        """It takes requests; a target without health checks counts as healthy, as for AWS."""
        unchecked = self.state == "unavailable" and self.reason == "Target.HealthCheckDisabled"
        return self.state == "healthy" or unchecked

    @property
    def possible(self) -> bool:
        """It is healthy or may become so by itself."""
        return self.state != "draining" and self.reason not in _LOST

    @property
    def problem(self) -> str:
        """Why it is not healthy; empty when it is."""
        if self.healthy:
            return ""
        return ", ".join(text for text in (self.state, self.reason, self.description) if text)


async def read_targets(aws: Aws, region: str, group_arn: str) -> tuple[Target, ...]:
    """Every registered target; raises NotFoundError without the group."""
    answer = await aws.call(
        "elbv2", "describe_target_health", region=region, TargetGroupArn=group_arn
    )
    targets = []
    for one in answer["TargetHealthDescriptions"]:
        target, health = one["Target"], one["TargetHealth"]
        port = f":{target['Port']}" if target.get("Port") else ""
        targets.append(
            Target(
                name=f"{target['Id']}{port}",
                state=health["State"],
                reason=health.get("Reason") or "",
                description=health.get("Description") or "",
            )
        )
    return tuple(targets)


@dataclass(frozen=True, kw_only=True)
class Group:
    """A colour's target group. ``description`` is empty when it does not exist."""

    colour: str
    arn: str
    attached: bool
    """Part of the forward action; only then does the load balancer check its health."""
    description: dict[str, Any]
    sticky_targets: bool
    """The group keeps each client at one target by a cookie."""
    tags: dict[str, str]
    release: str
    targets: tuple[Target, ...]

    @property
    def name(self) -> str:
        """The target group's name."""
        return str(self.description.get("TargetGroupName") or self.arn.split("/")[1])

    @property
    def exists(self) -> bool:
        """Whether AWS knows it."""
        return bool(self.description)

    @property
    def detail(self) -> str:
        """Where it is, without passing figures."""
        return f"{self.colour} (target group {self.name})"

    @property
    def healthy(self) -> int:
        """Targets that take requests now."""
        return sum(target.healthy for target in self.targets)

    @property
    def possible(self) -> int:
        """Targets that are healthy or may become so."""
        return sum(target.possible for target in self.targets)


@dataclass(frozen=True, kw_only=True)
class Balancing:
    """How requests are shared out now, and between which groups."""

    target: Elbv2Target
    place: Place
    actions: list[Action]
    forward: Forward
    load_balancer: dict[str, Any]
    tags: dict[str, dict[str, str]]
    """Of the place, the load balancer and every group."""
    groups: tuple[Group, ...]
    live: Group

    @property
    def others(self) -> tuple[Group, ...]:
        """The groups that exist and are not the live one, in the catalog's order."""
        return tuple(group for group in self.groups if group is not self.live and group.exists)

    @property
    def serving(self) -> tuple[Group, ...]:
        """Groups that get requests, the one with the most first."""
        by_arn = {group.arn: group for group in self.groups}
        return tuple(by_arn[arn] for arn in self.forward.serving)

    def leaving(self, wanted: str | None) -> Balancing:
        """The same for going to ``wanted``: in a split the group with the most may be the goal."""
        if wanted is None or len(self.serving) < 2 or not _is_called(self.live, wanted):
            return self
        return replace(self, live=self.serving[1])


async def read_balancing(service: ServiceEntry, world: World) -> Balancing:
    """Read the actions, the load balancer and every group.

    Raises ConfigurationError when catalog and load balancer do not fit each other.
    """
    target = service.target(Elbv2Target)
    aws = world.aws
    place = await find_place(target, aws)
    actions, load_balancer = await asyncio.gather(place.read(aws), _load_balancer(place, aws))
    forward = forward_of(actions)
    _check_known(target, place, forward)
    found = await asyncio.gather(
        *(
            _group(colour, arn, target, aws, attached=arn in forward.weights)
            for colour, arn in target.target_groups.items()
        )
    )
    arns = [place.arn, load_balancer["LoadBalancerArn"], *(g.arn for g in found if g.exists)]
    tags = await _tags(aws, target.region, arns)
    groups = tuple(
        replace(
            group,
            tags=tags.get(group.arn, {}),
            release=tags.get(group.arn, {}).get(target.version_tag) or group.name,
        )
        for group in found
    )
    by_arn = {group.arn: group for group in groups}
    return Balancing(
        target=target,
        place=place,
        actions=actions,
        forward=forward,
        load_balancer=load_balancer,
        tags=tags,
        groups=groups,
        live=by_arn[forward.serving[0]],
    )


def _check_known(target: Elbv2Target, place: Place, forward: Forward) -> None:
    known = set(target.target_groups.values())
    strange = [arn for arn in forward.serving if arn not in known]
    if strange:
        raise ConfigurationError(
            f"Of {place}, requests go to {', '.join(strange)}, which the catalog does not know.",
            "Add the target group to target_groups in rollback.yml.",
        )
    if not forward.serving:
        raise PermanentError(
            f"All weights of {place} are 0: no group gets requests, so none is live.",
            "Give one of the groups a weight by hand.",
        )


async def _load_balancer(place: Place, aws: Aws) -> dict[str, Any]:
    answer = await aws.call(
        "elbv2",
        "describe_load_balancers",
        region=place.region,
        LoadBalancerArns=[place.load_balancer_arn],
    )
    found: dict[str, Any] = answer["LoadBalancers"][0]
    return found


async def _group(colour: str, arn: str, target: Elbv2Target, aws: Aws, *, attached: bool) -> Group:
    try:
        answer, attributes, targets = await asyncio.gather(
            aws.call(
                "elbv2", "describe_target_groups", region=target.region, TargetGroupArns=[arn]
            ),
            aws.call(
                "elbv2",
                "describe_target_group_attributes",
                region=target.region,
                TargetGroupArn=arn,
            ),
            read_targets(aws, target.region, arn),
        )
    except NotFoundError:
        answer, attributes, targets = {"TargetGroups": [{}]}, {"Attributes": []}, ()
    values = {one["Key"]: one["Value"] for one in attributes["Attributes"]}
    return Group(
        colour=colour,
        arn=arn,
        attached=attached,
        description=answer["TargetGroups"][0],
        sticky_targets=values.get("stickiness.enabled") == "true",
        tags={},
        release="",
        targets=targets,
    )


async def _tags(aws: Aws, region: str, arns: list[str]) -> dict[str, dict[str, str]]:
    answer = await aws.call("elbv2", "describe_tags", region=region, ResourceArns=arns)
    return {
        one["ResourceArn"]: {tag["Key"]: tag.get("Value") or "" for tag in one.get("Tags") or []}
        for one in answer["TagDescriptions"]
    }


def _is_called(group: Group, name: str) -> bool:
    return name in {group.colour, group.arn, group.name} or same_release(group.release, name)


# From the live target group to another one: what the rule's actions become.

_HEAVIEST = 999
"""ELBv2's greatest weight."""
_BRIEFLY = 1
"""The shortest stickiness that AWS accepts, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Elbv2Change:
    """The two groups, and the actions on the way."""

    service: ServiceEntry
    balancing: Balancing
    group: Group

    @property
    def live(self) -> Group:
        """The group that is left."""
        return self.balancing.live

    @property
    def needed(self) -> int:
        """Healthy targets that the group must have: as many as the live one, at least one."""
        return max(1, self.live.healthy)

    @property
    def alone(self) -> bool:
        """Whether the group must end up as the rule's only one.

        AWS refuses several groups without group stickiness where one of them keeps clients at
        their target by a cookie.
        """
        mine = {*self.balancing.forward.weights, self.group.arn}
        return any(one.sticky_targets for one in self.balancing.groups if one.arn in mine)

    @property
    def attached(self) -> list[Action]:
        """The actions with the group at weight 0, where it is health-checked."""
        if self.group.attached:
            return writable(self.balancing.actions)
        forward = self.balancing.forward
        sticky = forward.sticky_seconds or (_BRIEFLY if self.alone else None)
        return with_forward(
            self.balancing.actions,
            Forward(weights={**forward.weights, self.group.arn: 0}, sticky_seconds=sticky),
        )

    @property
    def switched(self) -> list[Action]:
        """The actions with the group getting everything, and nobody sticking to another one."""
        weights = self.balancing.forward.weights
        everything = min(_HEAVIEST, sum(weights.values()))
        others = {} if self.alone else dict.fromkeys(weights, 0)
        return with_forward(
            self.balancing.actions, Forward(weights={**others, self.group.arn: everything})
        )

    @property
    def version_url(self) -> str:
        """Where users get the release; empty when the catalog does not say."""
        return version_url(self.service)
