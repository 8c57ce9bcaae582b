"""Writing onto exactly the version of an object that was looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.domain.ownership import last_writer
from bot.errors import TemporaryError, WorldMovedError
from bot.ports.cluster import Cluster, Kind, Manifest

_ATTEMPTS = 5
"""The object may change elsewhere, as its status does, between reading and writing."""


async def edit(
    cluster: Cluster,
    kind: Kind,
    namespace: str,
    name: str,
    change: Callable[[Manifest], Sequence[Manifest]],
) -> None:
    """Patch the object with what ``change`` says of it as it is now; nothing when it says nothing.

    The patch tests ``metadata.resourceVersion``. When another writer was faster, the object is
    read and judged again. Raises what ``change`` raises, and TemporaryError naming who writes so
    often that there is no coming between.
    """
    for _ in range(_ATTEMPTS):
        manifest = await cluster.get(kind, namespace, name)
        operations = change(manifest)
        if not operations:
            return
        version = manifest["metadata"]["resourceVersion"]
        guard: Manifest = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
        try:
            await cluster.patch(kind, namespace, name, [guard, *operations])
        except WorldMovedError:
            continue
        return
    raise TemporaryError(
        f"{name} in namespace {namespace} changes faster than it can be written, last by "
        f"{last_writer(manifest)}.",
        "Find out what writes to it so often.",
    )
