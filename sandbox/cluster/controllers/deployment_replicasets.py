"""The ReplicaSets of one Deployment: which is new, their revisions, creating and scaling them.

Follows `pkg/controller/deployment/sync.go` and `deployment_util.go`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sandbox.cluster.base.errors import ApiError
from sandbox.cluster.base.resources import DEPLOYMENTS, REPLICASETS
from sandbox.cluster.base.types import Manifest, clone
from sandbox.cluster.controllers.access import Access
from sandbox.cluster.controllers.events import EventRecorder
from sandbox.cluster.controllers.hashing import short_hash
from sandbox.cluster.controllers.objects import (
    HASH_LABEL,
    annotations_of,
    comparable_template,
    created_before,
    desired_replicas,
    is_controlled_by,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    same_template,
)
from sandbox.cluster.controllers.rollout_math import (
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    max_surge,
    new_replicaset_size,
)

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

# Not copied from a Deployment to its ReplicaSets (`annotationsToSkip`).
_OWN_ANNOTATIONS = frozenset(
    {LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS}
)


def revision_of(obj: Manifest) -> int:
    """The revision number, 0 when there is none."""
    return int(annotations_of(obj).get(REVISION, "0"))


@dataclass(kw_only=True)
class Rollout:
    """A Deployment with its ReplicaSets as of this reconciliation; scaling replaces them here."""

    deployment: Manifest
    new: Manifest | None = None
    old: list[Manifest] = field(default_factory=list)

    @property
    def everything(self) -> list[Manifest]:
        return [*self.old, *([self.new] if self.new else [])]

    def replace(self, changed: Manifest) -> None:
        if self.new is not None and name_of(self.new) == name_of(changed):
            self.new = changed
            return
        self.old = [changed if name_of(rs) == name_of(changed) else rs for rs in self.old]


def split(deployment: Manifest, owned: Iterable[Manifest]) -> Rollout:
    """`FindNewReplicaSet`: the oldest one with the Deployment's template is the new one."""
    ordered = sorted(owned, key=created_before)
    template = deployment["spec"]["template"]
    new = next((rs for rs in ordered if same_template(rs["spec"]["template"], template)), None)
    return Rollout(deployment=deployment, new=new, old=[rs for rs in ordered if rs is not new])


def annotate_revision(deployment: Manifest, annotations: dict[str, str], revision: int) -> None:
    """`SetNewReplicaSetAnnotations`: copies the Deployment's and numbers the ReplicaSet.

    A ReplicaSet that is used again gets the newest number and remembers those it had.
    """
    given = annotations_of(deployment)
    annotations.update({k: v for k, v in given.items() if k not in _OWN_ANNOTATIONS})
    before = annotations.get(REVISION)
    if int(before or "0") >= revision:
        return
    annotations[REVISION] = str(revision)
    if before is not None:
        served = [r for r in annotations.get(REVISION_HISTORY, "").split(",") if r]
        annotations[REVISION_HISTORY] = ",".join([*served, before])


class ReplicaSetWriter:
    """Writes the ReplicaSets of a Deployment."""

    def __init__(self, access: Access, events: EventRecorder) -> None:
        self._access = access
        self._events = events

    def sync_new(self, rollout: Rollout, *, create: bool) -> None:
        """`getNewReplicaSet`: numbers the new ReplicaSet, creating it first where asked."""
        revision = max((revision_of(rs) for rs in rollout.old), default=0) + 1
        if rollout.new is not None:
            rollout.new = self._sync_annotations(rollout.deployment, rollout.new, revision)
        elif create:
            rollout.new = self._create(rollout, revision)
        else:
            return
        self._number_deployment(rollout, str(revision_of(rollout.new)))

    def _sync_annotations(self, deployment: Manifest, new: Manifest, revision: int) -> Manifest:
        annotations = dict(annotations_of(new))
        annotate_revision(deployment, annotations, revision)
        min_ready = deployment["spec"].get("minReadySeconds", 0)
        if (
            annotations == annotations_of(new)
            and new["spec"].get("minReadySeconds", 0) == min_ready
        ):
            return new

        def change(rs: Manifest) -> None:
            rs["metadata"]["annotations"] = annotations
            rs["spec"]["minReadySeconds"] = min_ready

        return self._access.change(REPLICASETS, new, change)

    def _number_deployment(self, rollout: Rollout, revision: str) -> None:
        deployment = rollout.deployment
        if annotations_of(deployment).get(REVISION) == revision:
            return

        def change(obj: Manifest) -> None:
            obj["metadata"].setdefault("annotations", {})[REVISION] = revision

        # A plain write of an annotation would count as a new generation of the Deployment.
        rollout.deployment = self._access.change(
            DEPLOYMENTS, deployment, change, subresource="status"
        )

    def _create(self, rollout: Rollout, revision: int) -> Manifest:
        deployment = rollout.deployment
        collisions = int((deployment.get("status") or {}).get("collisionCount") or 0)
        while True:
            wanted = self._new_replicaset(rollout, revision, collisions)
            try:
                created = self._access.create(REPLICASETS, wanted)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
                existing = self._access.get(REPLICASETS, namespace_of(wanted), name_of(wanted))
                if existing is not None and is_controlled_by(existing, deployment):
                    return existing
                collisions += 1
                rollout.deployment = self._record_collision(deployment, collisions)
                continue
            self._record_scaling(deployment, created, 0, desired_replicas(created))
            return created

    def _record_collision(self, deployment: Manifest, collisions: int) -> Manifest:
        status = {**(deployment.get("status") or {}), "collisionCount": collisions}
        return self._access.set_status(DEPLOYMENTS, deployment, status)

    def _new_replicaset(self, rollout: Rollout, revision: int, collisions: int) -> Manifest:
        deployment = rollout.deployment
        template = clone(deployment["spec"]["template"])
        hashed = short_hash(comparable_template(template), collisions)
        template.setdefault("metadata", {}).setdefault("labels", {})[HASH_LABEL] = hashed
        selector = clone(deployment["spec"]["selector"])
        selector.setdefault("matchLabels", {})[HASH_LABEL] = hashed
        annotations: dict[str, str] = {}
        annotate_revision(deployment, annotations, revision)
        wanted = desired_replicas(deployment)
        annotations[DESIRED_REPLICAS] = str(wanted)
        annotations[MAX_REPLICAS] = str(wanted + max_surge(deployment))
        replicaset: Manifest = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{name_of(deployment)}-{hashed}",
                "namespace": namespace_of(deployment),
                "labels": dict(labels_of(template)),
                "annotations": annotations,
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {"replicas": 0, "selector": selector, "template": template},
        }
        if min_ready := deployment["spec"].get("minReadySeconds"):
            replicaset["spec"]["minReadySeconds"] = min_ready
        replicaset["spec"]["replicas"] = new_replicaset_size(deployment, rollout.old, replicaset)
        return replicaset

    def scale(self, rollout: Rollout, replicaset: Manifest, size: int) -> bool:
        """Sets the size and the size annotations; True when the size changed."""
        deployment = rollout.deployment
        before = desired_replicas(replicaset)
        marks = {
            DESIRED_REPLICAS: str(desired_replicas(deployment)),
            MAX_REPLICAS: str(desired_replicas(deployment) + max_surge(deployment)),
        }
        marked = all(annotations_of(replicaset).get(k) == v for k, v in marks.items())
        if before == size and marked:
            return False

        def change(rs: Manifest) -> None:
            rs["metadata"].setdefault("annotations", {}).update(marks)
            rs["spec"]["replicas"] = size

        rollout.replace(self._access.change(REPLICASETS, replicaset, change))
        if before != size:
            self._record_scaling(deployment, replicaset, before, size)
        return before != size

    def scale_all(self, rollout: Rollout, replicasets: Iterable[Manifest], size: int) -> bool:
        """Scales each; True when any changed."""
        changed = [self.scale(rollout, rs, size) for rs in replicasets]
        return any(changed)

    def delete(self, replicaset: Manifest) -> None:
        self._access.delete(REPLICASETS, replicaset)

    def _record_scaling(
        self, deployment: Manifest, replicaset: Manifest, before: int, after: int
    ) -> None:
        direction = "up" if after > before else "down"
        self._events.normal(
            deployment,
            "ScalingReplicaSet",
            f"Scaled {direction} replica set {name_of(replicaset)} from {before} to {after}",
        )
