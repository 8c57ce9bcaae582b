"""May the bot do what the steps do?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot.domain.plan import Preflight
from bot.domain.values import Value
from bot.ports.cluster import Cluster, Kind
from strategies.preflights.verdicts import blocked, passed

NAME = "Rights"
POD_PROXY = Kind(api_version="v1", plural="pods/proxy")


class Right(Value):
    """A verb on a kind of object."""

    verb: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.verb} {self.kind.plural}"


async def check_rights(cluster: Cluster, namespace: str, rights: Sequence[Right]) -> Preflight:
    """Asks the API server for each right (SelfSubjectAccessReview)."""
    answers = await asyncio.gather(
        *(cluster.may(right.verb, right.kind, namespace) for right in rights)
    )
    missing = [str(right) for right, granted in zip(rights, answers, strict=True) if not granted]
    if missing:
        return blocked(
            NAME,
            f"The bot may not {', '.join(missing)} in namespace {namespace}. "
            "Grant it with deploy/rbac.yaml.",
        )
    return passed(NAME, f"The bot may {', '.join(map(str, rights))} in namespace {namespace}.")
