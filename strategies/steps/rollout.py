"""What the steps of a rolling rollback have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from bot.domain.freeze import ANNOTATION
from bot.domain.ownership import last_writer
from bot.domain.revisions import KEPT_ANNOTATIONS, same_template
from bot.domain.rollouts import WorkloadKind
from bot.domain.values import Facts, Value
from bot.domain.workloads import annotations_of, name_of, selector_of
from bot.errors import WorldMovedError
from bot.ports.cluster import DAEMON_SETS, DEPLOYMENTS, PODS, STATEFUL_SETS, Kind, Manifest
from bot.ports.world import Observed, StepState, World
from strategies.kubernetes.history import revision_kind
from strategies.kubernetes.selections import named, the_one
from strategies.waiting import Pending, Selection

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
