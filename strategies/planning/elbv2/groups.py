"""The target groups of a service behind an Application Load Balancer, as they are now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from bot.config.catalog import ServiceEntry
from bot.config.targets.elbv2 import Elbv2Target
from bot.domain.releases import same_release
from bot.errors import ConfigurationError, NotFoundError, PermanentError
from bot.ports.outside import Aws
from bot.ports.world import World
from strategies.planning.elbv2.actions import Action, Forward, forward_of
from strategies.planning.elbv2.place import Place, find_place
from strategies.planning.elbv2.targets import Target, read_targets


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
