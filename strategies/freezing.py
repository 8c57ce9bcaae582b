"""Which objects carry the mark of a deploy freeze, and how it gets there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
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
from bot.domain.freeze import ANNOTATION, TAG, AwsResource, ClusterObject, Freeze, MarkedObject
from bot.domain.workloads import annotations_of
from bot.errors import ConfigurationError, NotFoundError
from bot.ports.cluster import DEPLOYMENTS, Kind, Manifest
from bot.ports.world import World
from strategies.kubernetes.editing import edit
from strategies.steps.abort_rollout import ROLLOUTS
from strategies.steps.rollout import WORKLOADS

_POINTER = "/metadata/annotations/" + ANNOTATION.replace("/", "~1")
_CANARIES = Kind(api_version="flagger.app/v1beta1", plural="canaries")
_TAG_LENGTH = 256
"""Longest value of a tag (ELBv2 API reference, ``Tag``)."""

Objects = tuple[MarkedObject, ...]


class DeployFreezer:
    """See ``bot.ports.freeze.Freezer``."""

    async def objects(self, service: ServiceEntry, strategy: str, world: World) -> Objects:
        """Raises ConfigurationError for a strategy that the service does not have."""
        for target in service.rollback:
            if target.strategy != strategy:
                continue
            if isinstance(target, ComposedTarget):
                found = [
                    await self.objects(service, part.strategy, world)
                    for part in target.parts
                    if part.service is None
                ]
                return tuple(dict.fromkeys(one for part in found for one in part))
            return await _OBJECTS[target.strategy](target, world)
        raise ConfigurationError(
            f"The catalog does not roll this service back by “{strategy}” any more.",
            "Its deploy freeze stands in the bot alone.",
        )

    async def mark(self, marked: MarkedObject, freeze: Freeze, world: World) -> None:
        """An annotation of the object's own metadata, or a tag: neither starts a rollout."""
        if isinstance(marked, AwsResource):
            tag = {"Key": TAG, "Value": _tag_value(freeze.text)}
            await _aws(marked, "add_tags", world, Tags=[tag])
            return
        await _edit(marked, world, lambda manifest: _marking(manifest, freeze.text))

    async def unmark(self, marked: MarkedObject, freeze: Freeze, world: World) -> None:
        """Compares first: a later freeze may have written its own mark over it.

        What is gone has no mark any more.
        """
        with suppress(NotFoundError):
            if isinstance(marked, AwsResource):
                await _untag(marked, freeze, world)
            else:
                await _edit(marked, world, lambda manifest: _unmarking(manifest, freeze.text))


async def _untag(marked: AwsResource, freeze: Freeze, world: World) -> None:
    answer = await _aws(marked, "describe_tags", world)
    tags = [tag for one in answer["TagDescriptions"] for tag in one["Tags"]]
    if {"Key": TAG, "Value": _tag_value(freeze.text)} in tags:
        await _aws(marked, "remove_tags", world, TagKeys=[TAG])


async def _aws(marked: AwsResource, operation: str, world: World, **more: Any) -> dict[str, Any]:
    return await world.aws.call(
        "elbv2", operation, region=marked.region, ResourceArns=[marked.arn], **more
    )


async def _edit(
    marked: ClusterObject, world: World, change: Callable[[Manifest], list[Manifest]]
) -> None:
    """Onto the version that was read, or an annotation map that appears meanwhile would go."""
    kind = Kind(api_version=marked.api_version, plural=marked.plural)
    await edit(world.cluster, kind, marked.namespace, marked.name, change)


def _marking(manifest: Manifest, text: str) -> list[Manifest]:
    found = annotations_of(manifest)
    if found.get(ANNOTATION) == text:
        return []
    if not found:
        return [{"op": "add", "path": "/metadata/annotations", "value": {ANNOTATION: text}}]
    return [{"op": "add", "path": _POINTER, "value": text}]


def _unmarking(manifest: Manifest, text: str) -> list[Manifest]:
    if annotations_of(manifest).get(ANNOTATION) != text:
        return []
    return [{"op": "remove", "path": _POINTER}]


def _tag_value(text: str) -> str:
    """The mark in the characters that a tag may have: letters, digits, space, ``_.:/=+-@``."""
    kept = "".join(c if c.isalnum() or c in " _.:/=+-@" else "_" for c in text)
    return kept[:_TAG_LENGTH]


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
    canary = await world.cluster.get(_CANARIES, target.namespace, target.canary)
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
