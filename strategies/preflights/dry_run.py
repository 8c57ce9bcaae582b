"""Would the API server accept the change?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

from bot.domain.plan import Preflight
from bot.domain.values import Value
from bot.errors import (
    DryRunUnknownError,
    NotFoundError,
    PermanentError,
    TemporaryError,
    WorldMovedError,
)
from bot.ports.cluster import Cluster, Kind, Manifest
from strategies.preflights.verdicts import blocked, passed, warned

NAME = "Dry run"


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
    cluster: Cluster, writes: Sequence[Write | Deletion], *, name: str = NAME
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
