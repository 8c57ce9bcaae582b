"""The ReplicaSet controller, after `pkg/controller/replicaset`."""

from datetime import datetime, timedelta

from sandbox.cluster.base.errors import ApiError
from sandbox.cluster.base.resources import PODS, REPLICASETS
from sandbox.cluster.base.selectors import matches_label_selector
from sandbox.cluster.base.types import GVR, Manifest, rfc3339
from sandbox.cluster.controllers.access import Access
from sandbox.cluster.controllers.conditions import find
from sandbox.cluster.controllers.events import EventRecorder
from sandbox.cluster.controllers.manager import Key, KeysOf, own_key, owner_key
from sandbox.cluster.controllers.objects import (
    desired_replicas,
    generation_of,
    is_pod_active,
    is_pod_available,
    is_pod_ready,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
)
from sandbox.cluster.controllers.pods import deletion_order, next_available, pod_from_template

# Upstream creates and deletes at most so many pods in one go.
_BURST = 500


class ReplicaSetController:
    """Keeps as many pods as a ReplicaSet asks for."""

    def __init__(self, access: Access, events: EventRecorder) -> None:
        self._access = access
        self._events = events

    @property
    def watches(self) -> dict[GVR, KeysOf]:
        return {REPLICASETS: own_key, PODS: self._keys_of_pod}

    def _keys_of_pod(self, pod: Manifest) -> list[Key]:
        owners = owner_key("ReplicaSet")(pod)
        if owners or pod["metadata"].get("ownerReferences"):
            return list(owners)
        # An orphan may be adopted by whoever selects it.
        return [
            Key(namespace=namespace_of(rs), name=name_of(rs))
            for rs in self._access.find(REPLICASETS, namespace_of(pod))
            if matches_label_selector(rs["spec"]["selector"], labels_of(pod))
        ]

    def reconcile(self, key: Key) -> timedelta | None:
        replicaset = self._access.get(REPLICASETS, key.namespace, key.name)
        if replicaset is None:
            return None
        pods = self._access.owned(PODS, replicaset)
        running = [pod for pod in pods if is_pod_active(pod)]
        failure: ApiError | None = None
        if not is_terminating(replicaset):
            try:
                running = self._manage(replicaset, running)
            except ApiError as error:
                failure = error
        now = self._access.now()
        status = self._status(replicaset, running, failure, now)
        self._access.set_status(REPLICASETS, replicaset, status)
        if failure is not None:
            raise failure
        return next_available(running, int(replicaset["spec"].get("minReadySeconds", 0)), now)

    def _manage(self, replicaset: Manifest, running: list[Manifest]) -> list[Manifest]:
        """`manageReplicas`: the pods that are active afterwards."""
        missing = desired_replicas(replicaset) - len(running)
        if missing > 0:
            created = [self._create(replicaset) for _ in range(min(missing, _BURST))]
            return [*running, *created]
        surplus = sorted(running, key=deletion_order)[: min(-missing, _BURST)]
        for pod in surplus:
            self._access.delete(PODS, pod)
            self._events.normal(replicaset, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")
        gone = {name_of(pod) for pod in surplus}
        return [pod for pod in running if name_of(pod) not in gone]

    def _create(self, replicaset: Manifest) -> Manifest:
        wanted = pod_from_template(replicaset, replicaset["spec"]["template"])
        try:
            pod = self._access.create(PODS, wanted)
        except ApiError as error:
            self._events.warning(replicaset, "FailedCreate", f"Error creating: {error.message}")
            raise
        self._events.normal(replicaset, "SuccessfulCreate", f"Created pod: {name_of(pod)}")
        return pod

    def _status(
        self, replicaset: Manifest, pods: list[Manifest], failure: ApiError | None, now: datetime
    ) -> Manifest:
        """`calculateStatus`."""
        min_ready = int(replicaset["spec"].get("minReadySeconds", 0))
        wanted = labels_of(replicaset["spec"]["template"])
        counts = {
            "fullyLabeledReplicas": sum(labels_of(p).items() >= wanted.items() for p in pods),
            "readyReplicas": sum(is_pod_ready(p) for p in pods),
            "availableReplicas": sum(is_pod_available(p, min_ready, now) for p in pods),
        }
        status: Manifest = {
            "replicas": len(pods),
            **{field: count for field, count in counts.items() if count},
            "observedGeneration": generation_of(replicaset),
        }
        if failure is not None:
            status["conditions"] = [self._failure_condition(replicaset, failure, now)]
        return status

    @staticmethod
    def _failure_condition(replicaset: Manifest, failure: ApiError, now: datetime) -> Manifest:
        before = find((replicaset.get("status") or {}).get("conditions") or [], "ReplicaFailure")
        return {
            "type": "ReplicaFailure",
            "status": "True",
            "lastTransitionTime": before["lastTransitionTime"] if before else rfc3339(now),
            "reason": "FailedCreate",
            "message": failure.message,
        }
