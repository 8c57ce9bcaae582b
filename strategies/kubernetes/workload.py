"""What the steps of a rolling rollback have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import model_validator

from bot.clouds.kubernetes.objects import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Kind,
    Manifest,
)
from bot.clouds.kubernetes.ownership import last_write, last_writer
from bot.clouds.kubernetes.rollouts import (
    KEPT_ANNOTATIONS,
    REVISION_HISTORY,
    WorkloadKind,
    kind_of,
    number_of,
    same_template,
    template_in,
)
from bot.clouds.kubernetes.workloads import annotations_of, moment, name_of, owner_uid, selector_of
from bot.core.errors import RefusedError, WorldMovedError
from bot.core.values import Facts, Value
from bot.engine.world import Observed, StepState, World
from bot.incident.freeze import ANNOTATION
from strategies.common.waiting import Pending, Selection

# One object by its name, for steps that wait for what becomes of it.


def named(kind: Kind, namespace: str, name: str) -> Selection:
    """This object and no other."""
    return Selection(kind=kind, namespace=namespace, fields=f"metadata.name={name}")


def the_one(found: Sequence[Manifest], what: object) -> Manifest:
    """The object that was looked for; raises WorldMovedError when it is gone."""
    if not found:
        raise WorldMovedError(f"{what} was deleted.", "Plan again.")
    return found[0]


# The revisions of a workload: ReplicaSets of a Deployment, else ControllerRevisions.


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


WORKLOADS: Mapping[WorkloadKind, Kind] = {
    "Deployment": DEPLOYMENTS,
    "StatefulSet": STATEFUL_SETS,
    "DaemonSet": DAEMON_SETS,
}


_KEPT = KEPT_ANNOTATIONS | {ANNOTATION}
"""A deploy freeze belongs to the Deployment as it is now, yet its ReplicaSet has a copy."""


class RolloutParams(Value):
    """A workload and the pod template that it should have.

    ``deployment`` is read as the name of a Deployment: so it stands in plans that were approved
    before other kinds could be rolled back.
    """

    namespace: str
    kind: WorkloadKind = "Deployment"
    workload: str
    template: Facts
    release: str

    @model_validator(mode="before")
    @classmethod
    def _read_deployment(cls, given: Any) -> Any:
        if isinstance(given, dict) and "deployment" in given:
            rest = {key: value for key, value in given.items() if key != "deployment"}
            return {**rest, "workload": given["deployment"]}
        return given

    @property
    def resource(self) -> Kind:
        """Where the workload is found."""
        return WORKLOADS[self.kind]

    def __str__(self) -> str:
        return f"{self.kind} {self.workload}"


async def read(params: RolloutParams, world: World) -> Manifest:
    """The workload; raises NotFoundError."""
    return await world.cluster.get(params.resource, params.namespace, params.workload)


def selections(params: RolloutParams, workload: Manifest) -> tuple[Selection, ...]:
    """The workload, its revisions and its pods, in this order."""
    labels = selector_of(workload)
    return (
        selection(params),
        Selection(kind=revision_kind(params.kind), namespace=params.namespace, labels=labels),
        Selection(kind=PODS, namespace=params.namespace, labels=labels),
    )


def selection(params: RolloutParams) -> Selection:
    """The workload alone."""
    return named(params.resource, params.namespace, params.workload)


def existing(params: RolloutParams, found: tuple[Manifest, ...]) -> Manifest:
    """The workload with the wanted template; raises WorldMovedError otherwise."""
    workload = the_one(found, params)
    if not has_template(workload, params.template):
        raise moved(params, workload)
    return workload


def moved(params: RolloutParams, workload: Manifest) -> WorldMovedError:
    """Somebody else changed the pod template."""
    return WorldMovedError(
        f"The pod template of {params} was changed by {last_writer(workload, 'spec', 'template')}.",
        "Plan again.",
    )


def has_template(workload: Manifest, template: Mapping[str, object]) -> bool:
    """Whether the workload has this template now."""
    return same_template(workload["spec"]["template"], template)


def without_template(params: RolloutParams, workload: Manifest, *, so: str = "") -> Observed:
    """Somebody else changed the pod template; ``so`` is what comes of it."""
    return Observed(
        state=StepState.OTHER,
        summary=f"{params} has not the template of {params.release}{so}.",
        changed_by=last_writer(workload, "spec", "template"),
    )


def observed_by_template(
    params: RolloutParams, workload: Manifest, *replaced: Mapping[str, object]
) -> Observed:
    """AFTER with the wanted template, BEFORE with one of those that are to be replaced."""
    if has_template(workload, params.template):
        summary = f"{params} has the template of {params.release}."
        return Observed(state=StepState.AFTER, summary=summary)
    if any(has_template(workload, one) for one in replaced):
        summary = f"{params} has the template that is to be replaced."
        return Observed(state=StepState.BEFORE, summary=summary)
    return Observed(
        state=StepState.OTHER,
        summary=f"{params} has a template that the plan does not know.",
        changed_by=last_writer(workload, "spec", "template"),
    )


def unseen(workload: Manifest) -> Pending | None:
    """Until the controller has seen the last change of the specification."""
    generation = workload["metadata"].get("generation", 0)
    if (workload.get("status") or {}).get("observedGeneration", 0) >= generation:
        return None
    return Pending(
        summary=f"the controller has not seen generation {generation} of {name_of(workload)}"
    )


def restored_annotations(workload: Manifest, of_revision: Mapping[str, str]) -> dict[str, str]:
    """The Deployment's annotations after going back, as kubectl computes them.

    The Deployment keeps its bookkeeping and a deploy freeze; the rest, the change-cause included,
    comes from the ReplicaSet.
    """
    kept = {k: v for k, v in annotations_of(workload).items() if k in _KEPT}
    # A plan of an older bot may carry the freeze that its ReplicaSet was a copy of.
    return {**{k: v for k, v in of_revision.items() if k not in _KEPT}, **kept}


def portable_annotations(manifest: Manifest) -> dict[str, str]:
    """Those annotations that go back and forth with a revision."""
    return {k: v for k, v in annotations_of(manifest).items() if k not in _KEPT}
