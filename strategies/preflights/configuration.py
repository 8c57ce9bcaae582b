"""Do the ConfigMaps and Secrets exist without which the target's pods cannot start?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from bot.domain.plan import Preflight
from bot.domain.references import Reference, required_references
from bot.errors import ForbiddenError, NotFoundError
from bot.ports.cluster import CONFIG_MAPS, SECRETS, Cluster
from strategies.preflights.verdicts import blocked, passed, warned

NAME = "ConfigMaps and Secrets"


async def check_references(
    cluster: Cluster, namespace: str, template: Mapping[str, Any]
) -> Preflight:
    """Looks for everything that the pod template names as required."""
    references = required_references(template)
    if not references:
        return passed(NAME, "The target names none.")
    found = await asyncio.gather(*(_exists(cluster, namespace, one) for one in references))
    by_answer = list(zip(references, found, strict=True))
    missing = [_spoken(one) for one, exists in by_answer if exists is False]
    unknown = [_spoken(one) for one, exists in by_answer if exists is None]
    if missing:
        return blocked(
            NAME,
            f"The target's pods cannot start: {', '.join(missing)} is missing in namespace "
            f"{namespace}. Create it again first.",
        )
    if unknown:
        return warned(
            NAME,
            f"The bot may not look for {', '.join(unknown)}; check that it exists.",
        )
    return passed(NAME, f"All there: {', '.join(map(_spoken, references))}.")


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
