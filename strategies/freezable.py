"""Which objects of a service carry the mark of a deploy freeze, strategy by strategy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.config.catalog import ServiceEntry
from bot.config.targets import (
    BlueGreenTarget,
    DatabaseTarget,
    Elbv2Target,
    RecreateTarget,
    RollingTarget,
)
from bot.config.targets.canary import (
    ArgoRolloutsCanary,
    CanaryTarget,
    FlaggerCanary,
    PairCanary,
)
from bot.config.targets.composed import ComposedTarget
from bot.domain.freeze import AwsResource, ClusterObject, MarkedObject
from bot.errors import ConfigurationError
from bot.ports.cluster import DEPLOYMENTS, Kind
from bot.ports.world import World
from strategies.steps.abort_rollout import ROLLOUTS
from strategies.steps.rollback_gate import CANARIES
from strategies.steps.rollout import WORKLOADS

Objects = tuple[MarkedObject, ...]


async def objects_of(service: ServiceEntry, strategy: str, world: World) -> Objects:
    """Raises ConfigurationError for a strategy that the service does not have."""
    for target in service.rollback:
        if target.strategy != strategy:
            continue
        if isinstance(target, ComposedTarget):
            found = [
                await objects_of(service, part.strategy, world)
                for part in target.parts
                if part.service is None
            ]
            return tuple(dict.fromkeys(one for part in found for one in part))
        return await _OBJECTS[target.strategy](target, world)
    raise ConfigurationError(
        f"The catalog does not roll this service back by “{strategy}” any more.",
        "Its deploy freeze stands in the bot alone.",
    )


def _object(word: str, kind: Kind, namespace: str, name: str) -> ClusterObject:
    return ClusterObject(
        kind=word,
        api_version=kind.api_version,
        plural=kind.plural,
        namespace=namespace,
        name=name,
    )


def _deployments(namespace: str, *names: str) -> Objects:
    return tuple(_object("Deployment", DEPLOYMENTS, namespace, name) for name in names)


async def _of_rolling(target: RollingTarget, world: World) -> Objects:
    return (_object(target.kind, WORKLOADS[target.kind], target.namespace, target.workload),)


async def _of_recreate(target: RecreateTarget, world: World) -> Objects:
    return _deployments(target.namespace, target.deployment)


async def _of_blue_green(target: BlueGreenTarget, world: World) -> Objects:
    """A pipeline deploys to a colour before it switches.

    The Service stays as it is: load balancers' controllers act on every change of it.
    """
    return _deployments(target.namespace, *sorted(set(target.deployments.values())))


async def _of_load_balancer(target: Elbv2Target, world: World) -> Objects:
    kind = "listener" if target.listener_arn else "listener rule"
    arn = target.listener_arn or target.rule_arn or ""
    return (AwsResource(kind=kind, region=target.region, arn=arn),)


async def _of_canary(target: CanaryTarget, world: World) -> Objects:
    if isinstance(target, ArgoRolloutsCanary):
        return (_object("Rollout", ROLLOUTS, target.namespace, target.rollout),)
    if isinstance(target, FlaggerCanary):
        return await _of_flagger(target, world)
    return _of_pair(target)


def _of_pair(target: PairCanary) -> Objects:
    return _deployments(target.namespace, target.stable, target.canary)


async def _of_flagger(target: FlaggerCanary, world: World) -> Objects:
    """What the Canary watches is what a pipeline changes; the Canary itself stays as it is."""
    canary = await world.cluster.get(CANARIES, target.namespace, target.canary)
    found = canary["spec"]["targetRef"]
    kind = WORKLOADS.get(found.get("kind"))
    return (_object(found["kind"], kind, target.namespace, found["name"]),) if kind else ()


async def _of_database(target: DatabaseTarget, world: World) -> Objects:
    """The applications on it: a schema that is older than theirs must not meet them again."""
    return tuple(
        one
        for writer in target.writers
        for one in _deployments(writer.namespace, writer.deployment)
    )


async def _nothing(target: object, world: World) -> Objects:
    """A flag is no place for a deployment."""
    return ()


_OBJECTS: Mapping[str, Callable[[Any, World], Awaitable[Objects]]] = {
    "blue-green": _of_blue_green,
    "blue-green-elbv2": _of_load_balancer,
    "canary": _of_canary,
    "database": _of_database,
    "feature-flag": _nothing,
    "recreate": _of_recreate,
    "rolling": _of_rolling,
}
"""One line a strategy; a test holds that none is missing."""
