"""The revisions of a workload: ReplicaSets of a Deployment, else ControllerRevisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from bot.domain.ownership import last_write
from bot.domain.revisions import REVISION_HISTORY, same_template
from bot.domain.rollouts import kind_of, number_of, template_in
from bot.domain.workloads import annotations_of, moment, name_of, owner_uid, selector_of
from bot.errors import RefusedError
from bot.ports.cluster import CONTROLLER_REVISIONS, REPLICA_SETS, Kind, Manifest
from bot.ports.world import World


def revision_kind(kind: str) -> Kind:
    """Where a workload of this kind keeps its revisions."""
    return REPLICA_SETS if kind == "Deployment" else CONTROLLER_REVISIONS


async def revisions(world: World, namespace: str, workload: Manifest) -> tuple[Manifest, ...]:
    """The revisions that the workload owns, the newest first."""
    kind = revision_kind(kind_of(workload))
    found = await world.cluster.list(kind, namespace, labels=selector_of(workload))
    owned = [one for one in found if owner_uid(one) == workload["metadata"]["uid"]]
    return tuple(sorted(owned, key=number_of, reverse=True))


def current(workload: Manifest, history: Iterable[Manifest]) -> Manifest | None:
    """The newest revision with the live template; None before the controller made it."""
    template = workload["spec"]["template"]
    return next((one for one in history if same_template(template_in(one), template)), None)


def others(workload: Manifest, history: Sequence[Manifest]) -> tuple[Manifest, ...]:
    """Revisions with another template than the live one, each template once."""
    kept: list[Manifest] = []
    for one in history:
        templates = [workload["spec"]["template"], *map(template_in, kept)]
        if not any(same_template(template_in(one), known) for known in templates):
            kept.append(one)
    return tuple(kept)


def refuse_live_revision(
    workload: Manifest, history: Iterable[Manifest], wanted: str | None
) -> None:
    """Raises RefusedError for a revision, by number or name, that would change nothing.

    An equal template would be patched to no effect and look like a success, or take everybody
    down for nothing.
    """
    template = workload["spec"]["template"]
    for one in history:
        is_named = wanted in {str(number_of(one)), name_of(one)}
        if is_named and same_template(template_in(one), template):
            raise RefusedError(
                f"Nothing to do: revision {wanted} has the template that is live.",
                "Name another revision or release.",
            )


def live_since(
    workload: Manifest, revision: Manifest | None, history: Sequence[Manifest] = ()
) -> datetime | None:
    """When the live template was put in place; None when the metadata do not tell.

    A revision's creation tells it, but not for one that is used again after a rollback: a
    ReplicaSet then says so itself, a ControllerRevision is older than another one of ``history``.
    """
    if revision is not None and REVISION_HISTORY not in annotations_of(revision):
        created = moment(revision["metadata"].get("creationTimestamp"))
        times = [moment(one["metadata"].get("creationTimestamp")) for one in history]
        if kind_of(workload) == "Deployment" or created == max(filter(None, times), default=None):
            return created
    write = last_write(workload, "spec", "template")
    return write.at if write else None
