"""The StatefulSet controller, after `pkg/controller/statefulset`.

OrderedReady waits for each pod before the next, also when the pod is broken: a set whose template
was reverted stays stuck behind a pod of the bad revision until someone deletes that pod
(https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.cluster.base.resources import PODS, STATEFULSETS
from sandbox.cluster.base.types import GVR, Manifest
from sandbox.cluster.controllers.access import Access
from sandbox.cluster.controllers.controller_revisions import (
    REVISION_LABEL,
    RevisionHistory,
    revision_label,
    template_of,
)
from sandbox.cluster.controllers.events import EventRecorder
from sandbox.cluster.controllers.manager import Key, KeysOf, own_key, owner_key
from sandbox.cluster.controllers.objects import (
    desired_replicas,
    is_pod_available,
    is_terminating,
    name_of,
)
from sandbox.cluster.controllers.pods import next_available, pod_from_template
from sandbox.cluster.controllers.statefulset_status import statefulset_status


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What one reconciliation works with. `replicas` holds None where a pod is missing."""

    owner: Manifest
    current: Manifest
    update: Manifest
    replicas: list[Manifest | None]
    condemned: list[Manifest]
    now: datetime

    @property
    def ordered(self) -> bool:
        return bool(self.owner["spec"].get("podManagementPolicy", "OrderedReady") != "Parallel")

    def healthy(self, pod: Manifest) -> bool:
        """Running, ready for `minReadySeconds`, and not on its way out."""
        min_ready = int(self.owner["spec"].get("minReadySeconds", 0))
        running = (pod.get("status") or {}).get("phase") == "Running"
        return running and is_pod_available(pod, min_ready, self.now) and not is_terminating(pod)


class StatefulSetController:
    """Keeps pods with fixed names, in order."""

    def __init__(self, access: Access, events: EventRecorder) -> None:
        self._access = access
        self._events = events
        self._history = RevisionHistory(access)

    @property
    def watches(self) -> dict[GVR, KeysOf]:
        return {STATEFULSETS: own_key, PODS: owner_key("StatefulSet")}

    def reconcile(self, key: Key) -> timedelta | None:
        owner = self._access.get(STATEFULSETS, key.namespace, key.name)
        if owner is None or is_terminating(owner):
            return None
        revisions = self._history.list(owner)
        update = self._history.current(owner, revisions)
        wanted = (owner.get("status") or {}).get("currentRevision")
        current = next((r for r in revisions if name_of(r) == wanted), update)
        plan = self._plan(owner, current, update)
        self._step(plan)
        pods = self._access.owned(PODS, owner)
        status = statefulset_status(owner, current, update, pods, plan.now)
        self._access.set_status(STATEFULSETS, owner, status)
        live = {revision_label(p) for p in pods} | {name_of(current), name_of(update)}
        self._history.trim(owner, revisions, live)
        return next_available(pods, int(owner["spec"].get("minReadySeconds", 0)), plan.now)

    def _plan(self, owner: Manifest, current: Manifest, update: Manifest) -> _Plan:
        by_ordinal = {ordinal_of(p): p for p in self._access.owned(PODS, owner)}
        start = _start(owner)
        span = range(start, start + desired_replicas(owner))
        return _Plan(
            owner=owner,
            current=current,
            update=update,
            replicas=[by_ordinal.get(ordinal) for ordinal in span],
            condemned=[by_ordinal[o] for o in sorted(by_ordinal, reverse=True) if o not in span],
            now=self._access.now(),
        )

    def _step(self, plan: _Plan) -> None:
        """`updateStatefulSet`: fill, then shrink, then update; in order unless Parallel."""
        if self._fill(plan) or self._shrink(plan):
            return
        strategy = plan.owner["spec"].get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") == "RollingUpdate":
            self._update(plan, int((strategy.get("rollingUpdate") or {}).get("partition") or 0))

    def _fill(self, plan: _Plan) -> bool:
        """Creates what is missing; True when the set has to wait before it goes on."""
        for index, pod in enumerate(plan.replicas):
            if pod is None:
                self._create(plan, index)
                waits = True
            elif (pod.get("status") or {}).get("phase") in {"Failed", "Succeeded"}:
                self._delete(plan.owner, pod)
                waits = True
            else:
                waits = not plan.healthy(pod)
            if waits and plan.ordered:
                return True
        return any(pod is None for pod in plan.replicas)

    def _create(self, plan: _Plan, index: int) -> None:
        """`newVersionedStatefulSetPod`: ordinals below the partition keep the old revision."""
        spec = plan.owner["spec"]
        rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
        ordinal = _start(plan.owner) + index
        old = ordinal < _start(plan.owner) + int(rolling.get("partition") or 0)
        revision = plan.current if old else plan.update
        pod = pod_from_template(plan.owner, template_of(revision))
        name = f"{name_of(plan.owner)}-{ordinal}"
        del pod["metadata"]["generateName"]
        pod["metadata"]["name"] = name
        pod["metadata"]["labels"] |= {
            REVISION_LABEL: name_of(revision),
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(ordinal),
        }
        pod["spec"] |= {"hostname": name, "subdomain": spec.get("serviceName", "")}
        self._access.create(PODS, pod)
        what = f"create Pod {name} in StatefulSet {name_of(plan.owner)} successful"
        self._events.normal(plan.owner, "SuccessfulCreate", what)

    def _shrink(self, plan: _Plan) -> bool:
        """Ends surplus pods, highest ordinal first; True when the set has to wait."""
        blocked = next((p for p in reversed(plan.condemned) if not plan.healthy(p)), None)
        for pod in plan.condemned:
            if is_terminating(pod):
                if plan.ordered:
                    return True
                continue
            if plan.ordered and not plan.healthy(pod) and pod is not blocked:
                return True
            self._delete(plan.owner, pod)
            if plan.ordered:
                return True
        return False

    def _update(self, plan: _Plan, partition: int) -> None:
        """One pod at a time from the highest ordinal down to the partition."""
        for pod in reversed(plan.replicas[partition:]):
            if pod is None:
                return
            if revision_label(pod) != name_of(plan.update) and not is_terminating(pod):
                self._delete(plan.owner, pod)
                return
            if not plan.healthy(pod):
                return

    def _delete(self, owner: Manifest, pod: Manifest) -> None:
        if is_terminating(pod):
            return
        self._access.delete(PODS, pod)
        what = f"delete Pod {name_of(pod)} in StatefulSet {name_of(owner)} successful"
        self._events.normal(owner, "SuccessfulDelete", what)


def ordinal_of(pod: Manifest) -> int:
    """The number at the end of the pod's name; -1 when there is none."""
    _, _, number = name_of(pod).rpartition("-")
    return int(number) if number.isdigit() else -1


def _start(owner: Manifest) -> int:
    return int((owner["spec"].get("ordinals") or {}).get("start") or 0)
