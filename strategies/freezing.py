"""How the mark of a deploy freeze gets onto an object, and away again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bot.catalog.service import ServiceEntry
from bot.catalog.target import STRATEGIES
from bot.clouds.kubernetes.objects import DEPLOYMENTS, Kind, Manifest
from bot.clouds.kubernetes.workloads import annotations_of
from bot.core.errors import ConfigurationError, NotFoundError
from bot.engine.world import Strategy, World
from bot.incident.freeze import ANNOTATION, TAG, AwsResource, ClusterObject, Freeze, MarkedObject
from strategies.kubernetes.fields import edit

_POINTER = "/metadata/annotations/" + ANNOTATION.replace("/", "~1")
_TAG_LENGTH = 256
"""Longest value of a tag (ELBv2 API reference, ``Tag``)."""


def cluster_object(word: str, kind: Kind, namespace: str, name: str) -> ClusterObject:
    """The object to mark; ``word`` is its kind for people."""
    return ClusterObject(
        kind=word,
        api_version=kind.api_version,
        plural=kind.plural,
        namespace=namespace,
        name=name,
    )


def deployments(namespace: str, *names: str) -> tuple[ClusterObject, ...]:
    """These Deployments, to be marked."""
    return tuple(cluster_object("Deployment", DEPLOYMENTS, namespace, name) for name in names)


class DeployFreezer:
    """See ``bot.engine.context.Freezer``."""

    async def objects(
        self, service: ServiceEntry, strategy: str, world: World
    ) -> tuple[MarkedObject, ...]:
        """Raises ConfigurationError for a strategy that the service does not have."""
        if all(target.strategy != strategy for target in service.rollback):
            raise ConfigurationError(
                f"The catalog does not roll this service back by “{strategy}” any more.",
                "Its deploy freeze stands in the bot alone.",
            )
        chosen: Strategy = STRATEGIES.get(strategy)
        return await chosen.frozen(service, world)

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
