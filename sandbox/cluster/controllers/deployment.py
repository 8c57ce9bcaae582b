"""The Deployment controller, after `pkg/controller/deployment`."""

from collections.abc import Iterable
from datetime import timedelta

from sandbox.cluster.base.resources import DEPLOYMENTS, PODS, REPLICASETS
from sandbox.cluster.base.types import GVR, Manifest
from sandbox.cluster.controllers import deployment_rolling as rolling
from sandbox.cluster.controllers.access import Access
from sandbox.cluster.controllers.conditions import with_condition
from sandbox.cluster.controllers.deployment_replicasets import (
    ReplicaSetWriter,
    Rollout,
    revision_of,
    split,
)
from sandbox.cluster.controllers.deployment_status import (
    Status,
    is_complete,
    pause_condition,
    plain_status,
    rollout_status,
    time_left,
)
from sandbox.cluster.controllers.events import EventRecorder
from sandbox.cluster.controllers.manager import Key, KeysOf, own_key, owner_key
from sandbox.cluster.controllers.objects import (
    desired_replicas,
    generation_of,
    is_controlled_by,
    is_terminating,
    namespace_of,
    status_count,
)
from sandbox.cluster.controllers.rollout_math import (
    active,
    active_or_latest,
    history_limit,
    is_rolling_update,
    is_saturated,
    is_scaling,
    proportional_sizes,
)


class DeploymentController:
    """Rolls a Deployment's pods from old ReplicaSets to the one with its template."""

    def __init__(self, access: Access, events: EventRecorder) -> None:
        self._access = access
        self._replicasets = ReplicaSetWriter(access, events)

    @property
    def watches(self) -> dict[GVR, KeysOf]:
        return {
            DEPLOYMENTS: own_key,
            REPLICASETS: owner_key("Deployment"),
            PODS: self._recreating_deployment,
        }

    def _recreating_deployment(self, pod: Manifest) -> Iterable[Key]:
        """Recreate waits for the last old pod to go, which no ReplicaSet's status tells."""
        for key in owner_key("ReplicaSet")(pod):
            replicaset = self._access.get(REPLICASETS, key.namespace, key.name)
            if replicaset is not None:
                yield from owner_key("Deployment")(replicaset)

    def reconcile(self, key: Key) -> timedelta | None:
        deployment = self._access.get(DEPLOYMENTS, key.namespace, key.name)
        if deployment is None:
            return None
        rollout = split(deployment, self._access.owned(REPLICASETS, deployment))
        if is_terminating(deployment):
            return self._write(rollout, plain_status(rollout, self._access.now()))
        self._mark_paused(rollout)
        if deployment["spec"].get("paused"):
            return self._scale_only(rollout)
        # Scaling comes first, so that sizes stay proportional in the middle of a rollout.
        self._replicasets.sync_new(rollout, create=False)
        if is_scaling(rollout.deployment, rollout.everything):
            return self._scale_only(rollout)
        if is_rolling_update(deployment):
            rolling.roll(self._replicasets, rollout)
        else:
            rolling.recreate(self._replicasets, rollout, old_pods_run=self._old_pods_run(rollout))
        if is_complete(rollout.deployment, rollout.deployment.get("status") or {}):
            self._trim_history(rollout)
        return self._write(rollout, rollout_status(rollout, self._access.now()))

    def _mark_paused(self, rollout: Rollout) -> None:
        condition = pause_condition(rollout.deployment, self._access.now())
        if condition is None:
            return
        status: Status = dict(rollout.deployment.get("status") or {})
        status["conditions"] = with_condition(list(status.get("conditions") or []), condition)
        rollout.deployment = self._access.set_status(DEPLOYMENTS, rollout.deployment, status)

    def _scale_only(self, rollout: Rollout) -> timedelta | None:
        """`dc.sync`: follows `spec.replicas` without rolling; also all a paused one gets."""
        self._replicasets.sync_new(rollout, create=False)
        self._rescale(rollout)
        self._trim_history(rollout)
        return self._write(rollout, plain_status(rollout, self._access.now()))

    def _rescale(self, rollout: Rollout) -> None:
        deployment = rollout.deployment
        single = active_or_latest(rollout.new, rollout.old)
        if single is not None:
            self._replicasets.scale(rollout, single, desired_replicas(deployment))
        elif is_saturated(deployment, rollout.new):
            self._replicasets.scale_all(rollout, active(rollout.old), 0)
        elif is_rolling_update(deployment):
            for replicaset, size in proportional_sizes(deployment, rollout.everything):
                self._replicasets.scale(rollout, replicaset, size)

    def _old_pods_run(self, rollout: Rollout) -> bool:
        """`oldPodsRunning`: a pod of an old ReplicaSet has not finished, terminating or not."""
        return any(
            is_controlled_by(pod, replicaset)
            and (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}
            for pod in self._access.find(PODS, namespace_of(rollout.deployment))
            for replicaset in rollout.old
        )

    def _trim_history(self, rollout: Rollout) -> None:
        """`cleanupDeployment`: the lowest revisions beyond `revisionHistoryLimit` go."""
        candidates = sorted((rs for rs in rollout.old if not is_terminating(rs)), key=revision_of)
        surplus = len(candidates) - history_limit(rollout.deployment)
        for replicaset in candidates[: max(0, surplus)]:
            idle = desired_replicas(replicaset) == 0 and status_count(replicaset, "replicas") == 0
            seen = generation_of(replicaset) <= status_count(replicaset, "observedGeneration")
            if idle and seen:
                self._replicasets.delete(replicaset)

    def _write(self, rollout: Rollout, status: Status) -> timedelta | None:
        rollout.deployment = self._access.set_status(DEPLOYMENTS, rollout.deployment, status)
        left = time_left(rollout.deployment, status, self._access.now())
        if left is None or rollout.deployment["spec"].get("paused"):
            return None
        # API times are whole seconds: a second more, as upstream, never looks too early.
        return left + timedelta(seconds=1)
