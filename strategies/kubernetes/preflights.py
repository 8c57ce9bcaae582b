"""Would the API server accept the change?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import CONFIG_MAPS, SECRETS, Cluster, Kind, Manifest, Right
from bot.clouds.kubernetes.workloads import Reference, required_references
from bot.core.errors import (
    DryRunUnknownError,
    ForbiddenError,
    NotFoundError,
    PermanentError,
    TemporaryError,
    WorldMovedError,
)
from bot.core.values import Value
from bot.incident.plan import Preflight
from strategies.common.preflights import blocked, passed, warned

# May the bot do what the steps do?

RIGHTS = "Rights"
POD_PROXY = Kind(api_version="v1", plural="pods/proxy")


def to_follow(*kinds: Kind) -> tuple[Right, ...]:
    """A wait lists objects, and watches them."""
    return _each(("list", "watch"), kinds)


def to_change(*kinds: Kind) -> tuple[Right, ...]:
    """A step looks at the object, patches it, and waits until that has had its effect."""
    return _each(("get", "list", "watch", "patch"), kinds)


def to_count(service: ServiceEntry) -> tuple[Right, ...]:
    """Pods whose requests are counted are asked through the API server."""
    return (Right(verb="get", kind=POD_PROXY),) if service.pod_metrics else ()


def _each(verbs: Sequence[str], kinds: Sequence[Kind]) -> tuple[Right, ...]:
    return tuple(Right(verb=verb, kind=kind) for kind in kinds for verb in verbs)


async def missing_rights(
    cluster: Cluster, namespace: str, rights: Sequence[Right], *, name: str = ""
) -> list[Right]:
    """Those that the API server denies (SelfSubjectAccessReview), for one object if named."""
    answers = await asyncio.gather(
        *(cluster.may(right.verb, right.kind, namespace, name=name) for right in rights)
    )
    return [right for right, granted in zip(rights, answers, strict=True) if not granted]


async def check_rights(cluster: Cluster, namespace: str, rights: Sequence[Right]) -> Preflight:
    """Asks the API server for each right; blocks where it may not, since a step could get stuck."""
    wanted = tuple(dict.fromkeys(rights))
    try:
        missing = await missing_rights(cluster, namespace, wanted)
    except ForbiddenError as error:
        return blocked(RIGHTS, f"{error} Needed in namespace {namespace}: {spoken_rights(wanted)}.")
    if missing:
        return blocked(
            RIGHTS,
            f"The bot may not {spoken_rights(missing)} in namespace {namespace}. "
            "Grant it with deploy/rbac.yaml.",
        )
    return passed(RIGHTS, f"The bot may {spoken_rights(wanted)} in namespace {namespace}.")


def spoken_rights(rights: Sequence[Right]) -> str:
    """``get, patch services; list pods``."""
    verbs: dict[str, list[str]] = {}
    for right in rights:
        verbs.setdefault(right.kind.plural, []).append(right.verb)
    return "; ".join(f"{', '.join(found)} {plural}" for plural, found in verbs.items())


DRY_RUN = "Dry run"


class Write(Value):
    """A JSON Patch that a step of the plan will send.

    Without the tests of what an earlier step of the same plan has yet to bring about.
    """

    kind: Kind
    namespace: str
    name: str
    operations: tuple[dict[str, Any], ...]
    subresource: Literal["", "status"] = ""


class Deletion(Value):
    """An object that a step of the plan will delete."""

    kind: Kind
    namespace: str
    name: str
    uid: str


def scaling(kind: Kind, namespace: str, name: str, *numbers: int) -> tuple[Write, ...]:
    """Every number of replicas that the plan leads to."""
    return tuple(
        Write(
            kind=kind,
            namespace=namespace,
            name=name,
            operations=({"op": "add", "path": "/spec/replicas", "value": number},),
        )
        for number in dict.fromkeys(numbers)
    )


async def check_writes(
    cluster: Cluster, writes: Sequence[Write | Deletion], *, name: str = DRY_RUN
) -> Preflight:
    """Sends each with ``dryRun=All``: admission runs, nothing is stored.

    Blocks too where the API server cannot tell: a step would get stuck.
    """
    found = await asyncio.gather(*(_refusal(cluster, write) for write in writes))
    refused = dict.fromkeys(one.what for one in found if one)
    if refused and all(isinstance(one, DryRunUnknownError) for one in found if one):
        return warned(name, f"Not checked. {' '.join(refused)}")
    if refused:
        remedies = dict.fromkeys(one.remedy for one in found if one and one.remedy)
        said = " ".join([*refused, *remedies])
        return blocked(name, f"The API server would refuse the change. {said}")
    what = "the change" if len(writes) == 1 else f"all {len(writes)} changes"
    return passed(name, f"The API server accepts {what}.")


async def _refusal(
    cluster: Cluster, write: Write | Deletion
) -> PermanentError | TemporaryError | None:
    try:
        if isinstance(write, Deletion):
            await _try_deletion(cluster, write)
        else:
            await _try_patch(cluster, write)
    except (PermanentError, TemporaryError) as error:
        return error
    return None


async def _try_patch(cluster: Cluster, write: Write) -> None:
    await cluster.patch(
        write.kind,
        write.namespace,
        write.name,
        write.operations,
        subresource=write.subresource,
        dry_run=True,
    )


async def _try_deletion(cluster: Cluster, wanted: Deletion) -> None:
    """What is gone by now, or was made anew, needs no deletion any more."""
    with suppress(NotFoundError, WorldMovedError):
        await cluster.delete(
            wanted.kind, wanted.namespace, wanted.name, uid=wanted.uid, dry_run=True
        )


async def check_patch(
    cluster: Cluster, kind: Kind, namespace: str, name: str, operations: Sequence[Manifest]
) -> Preflight:
    """The same for a single patch of an object."""
    write = Write(kind=kind, namespace=namespace, name=name, operations=tuple(operations))
    return await check_writes(cluster, [write])


# Do the ConfigMaps and Secrets exist without which the target's pods cannot start?

CONFIGURATION = "ConfigMaps and Secrets"


async def check_references(
    cluster: Cluster, namespace: str, template: Mapping[str, Any]
) -> Preflight:
    """Looks for everything that the pod template names as required."""
    references = required_references(template)
    if not references:
        return passed(CONFIGURATION, "The target names none.")
    found = await asyncio.gather(*(_exists(cluster, namespace, one) for one in references))
    by_answer = list(zip(references, found, strict=True))
    missing = [_spoken(one) for one, exists in by_answer if exists is False]
    unknown = [_spoken(one) for one, exists in by_answer if exists is None]
    if missing:
        return blocked(
            CONFIGURATION,
            f"The target's pods cannot start: {', '.join(missing)} is missing in namespace "
            f"{namespace}. Create it again first.",
        )
    if unknown:
        return warned(
            CONFIGURATION,
            f"The bot may not look for {', '.join(unknown)}; check that it exists.",
        )
    return passed(CONFIGURATION, f"All there: {', '.join(map(_spoken, references))}.")


async def _exists(cluster: Cluster, namespace: str, reference: Reference) -> bool | None:
    kind = CONFIG_MAPS if reference.kind == "ConfigMap" else SECRETS
    try:
        await cluster.get(kind, namespace, reference.name)
    except NotFoundError:
        return False
    except ForbiddenError:
        return None
    return True


def _spoken(reference: Reference) -> str:
    return f"{reference.kind} {reference.name}"
