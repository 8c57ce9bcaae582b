"""The DaemonSet controller: one pod a node, updated a few nodes at a time.

After `pkg/controller/daemon`, without `maxSurge` and without tolerations.
"""

from datetime import datetime, timedelta

from sandbox.cluster.base.resources import DAEMONSETS, NODES, PODS
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
    generation_of,
    is_pod_active,
    is_pod_available,
    is_pod_ready,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
)
from sandbox.cluster.controllers.pods import next_available, pod_from_template
from sandbox.cluster.controllers.rollout_math import scaled_value


class DaemonSetController:
    """Keeps one pod on every node that the set selects."""

    def __init__(self, access: Access, events: EventRecorder) -> None:
        self._access = access
        self._events = events
        self._history = RevisionHistory(access)

    @property
    def watches(self) -> dict[GVR, KeysOf]:
        return {DAEMONSETS: own_key, PODS: owner_key("DaemonSet"), NODES: self._all}

    def _all(self, _: Manifest) -> list[Key]:
        return [
            Key(namespace=namespace_of(owner), name=name_of(owner))
            for owner in self._access.find(DAEMONSETS)
        ]

    def reconcile(self, key: Key) -> timedelta | None:
        owner = self._access.get(DAEMONSETS, key.namespace, key.name)
        if owner is None or is_terminating(owner):
            return None
        revisions = self._history.list(owner)
        update = self._history.current(owner, revisions)
        now = self._access.now()
        nodes = [n for n in self._access.find(NODES) if _selects(owner, n)]
        self._place(owner, update, nodes)
        self._roll(owner, update, len(nodes), now)
        pods = self._access.owned(PODS, owner)
        status = _status(owner, update, nodes, pods, now)
        self._access.set_status(DAEMONSETS, owner, status)
        live = {revision_label(p) for p in pods} | {revision_label(update)}
        self._history.trim(owner, revisions, live)
        return next_available(pods, int(owner["spec"].get("minReadySeconds", 0)), now)

    def _place(self, owner: Manifest, update: Manifest, nodes: list[Manifest]) -> None:
        wanted = {name_of(node) for node in nodes}
        taken = set()
        for pod in self._access.owned(PODS, owner):
            node = _node_of(pod)
            finished = (pod.get("status") or {}).get("phase") in {"Failed", "Succeeded"}
            if node not in wanted or finished:
                self._delete(owner, pod)
            taken.add(node)
        for name in sorted(wanted - taken):
            self._create(owner, update, name)

    def _create(self, owner: Manifest, update: Manifest, node: str) -> None:
        pod = pod_from_template(owner, template_of(update))
        pod["metadata"]["labels"][REVISION_LABEL] = revision_label(update)
        fields = [{"key": "metadata.name", "operator": "In", "values": [node]}]
        affinity = pod["spec"].setdefault("affinity", {}).setdefault("nodeAffinity", {})
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {
            "nodeSelectorTerms": [{"matchFields": fields}]
        }
        created = self._access.create(PODS, pod)
        self._events.normal(owner, "SuccessfulCreate", f"Created pod: {name_of(created)}")

    def _delete(self, owner: Manifest, pod: Manifest) -> None:
        if not is_terminating(pod):
            self._access.delete(PODS, pod)
            self._events.normal(owner, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")

    def _roll(self, owner: Manifest, update: Manifest, nodes: int, now: datetime) -> None:
        """`rollingUpdate`: old pods that are not available go at once, others within the limit."""
        strategy = owner["spec"].get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            return
        limit = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
        min_ready = int(owner["spec"].get("minReadySeconds", 0))
        pods = self._access.owned(PODS, owner)
        available = [p for p in pods if is_pod_active(p) and is_pod_available(p, min_ready, now)]
        outdated = [p for p in pods if revision_label(p) != revision_label(update)]
        for pod in [p for p in outdated if p not in available]:
            self._delete(owner, pod)
        spare = max(1, scaled_value(limit, nodes, round_up=True)) - (nodes - len(available))
        for pod in [p for p in outdated if p in available][: max(0, spare)]:
            self._delete(owner, pod)


def _selects(owner: Manifest, node: Manifest) -> bool:
    wanted = owner["spec"]["template"]["spec"].get("nodeSelector") or {}
    return bool(labels_of(node).items() >= wanted.items())


def _node_of(pod: Manifest) -> str:
    """Where the pod runs, or will run."""
    if node := pod["spec"].get("nodeName"):
        return str(node)
    affinity = pod["spec"]["affinity"]["nodeAffinity"]
    terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return str(terms[0]["matchFields"][0]["values"][0])


def _status(
    owner: Manifest,
    update: Manifest,
    nodes: list[Manifest],
    pods: list[Manifest],
    now: datetime,
) -> Manifest:
    min_ready = int(owner["spec"].get("minReadySeconds", 0))
    wanted = {name_of(node) for node in nodes}
    placed = [p for p in pods if _node_of(p) in wanted and not is_terminating(p)]
    available = sum(is_pod_available(p, min_ready, now) for p in placed)
    updated = sum(revision_label(p) == revision_label(update) for p in placed)
    status = {
        "observedGeneration": generation_of(owner),
        "desiredNumberScheduled": len(nodes),
        "currentNumberScheduled": len(placed),
        "numberMisscheduled": sum(_node_of(p) not in wanted for p in pods),
        "numberReady": sum(is_pod_ready(p) for p in placed),
    }
    optional = {
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
        "numberUnavailable": len(nodes) - available,
    }
    return {**status, **{key: value for key, value in optional.items() if value}}
