"""Would the API server accept the change?"""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.plan import Preflight
from bot.errors import PermanentError
from bot.ports.cluster import Cluster, Kind, Manifest
from strategies.preflights.verdicts import blocked, passed

NAME = "Dry run"


async def check_patch(
    cluster: Cluster, kind: Kind, namespace: str, name: str, operations: Sequence[Manifest]
) -> Preflight:
    """Sends the patch with ``dryRun=All``: admission runs, nothing is stored."""
    try:
        await cluster.patch(kind, namespace, name, operations, dry_run=True)
    except PermanentError as error:
        return blocked(NAME, f"The API server would refuse the change. {error}")
    return passed(NAME, "The API server accepts the change.")
