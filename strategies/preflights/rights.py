"""May the bot do what the steps do?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot.config.catalog import ServiceEntry
from bot.domain.plan import Preflight
from bot.errors import ForbiddenError
from bot.ports.cluster import Cluster, Kind, Right
from strategies.preflights.verdicts import blocked, passed

NAME = "Rights"
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
        return blocked(NAME, f"{error} Needed in namespace {namespace}: {spoken_rights(wanted)}.")
    if missing:
        return blocked(
            NAME,
            f"The bot may not {spoken_rights(missing)} in namespace {namespace}. "
            "Grant it with deploy/rbac.yaml.",
        )
    return passed(NAME, f"The bot may {spoken_rights(wanted)} in namespace {namespace}.")


def spoken_rights(rights: Sequence[Right]) -> str:
    """``get, patch services; list pods``."""
    verbs: dict[str, list[str]] = {}
    for right in rights:
        verbs.setdefault(right.kind.plural, []).append(right.verb)
    return "; ".join(f"{', '.join(found)} {plural}" for plural, found in verbs.items())
