"""The scheduler: binds each pod to the ready node with the fewest pods."""

from collections import Counter
from datetime import timedelta

from sandbox.cluster.base.resources import NODES, PODS
from sandbox.cluster.base.types import GVR, Manifest, rfc3339
from sandbox.cluster.controllers.access import Access
from sandbox.cluster.controllers.conditions import find, without
from sandbox.cluster.controllers.events import EventRecorder
from sandbox.cluster.controllers.manager import Key, KeysOf, own_key
from sandbox.cluster.controllers.objects import condition_of, is_pod_active, is_terminating, name_of


class Scheduler:
    """`spec.nodeSelector`, the node name of a required affinity, and cordons are honoured."""

    def __init__(self, access: Access, events: EventRecorder) -> None:
        self._access = access
        self._events = events

    @property
    def watches(self) -> dict[GVR, KeysOf]:
        return {PODS: self._unbound, NODES: self._all_unbound}

    @staticmethod
    def _unbound(pod: Manifest) -> list[Key]:
        return [] if pod["spec"].get("nodeName") else own_key(pod)

    def _all_unbound(self, _: Manifest) -> list[Key]:
        return [key for pod in self._access.find(PODS) for key in self._unbound(pod)]

    def reconcile(self, key: Key) -> timedelta | None:
        pod = self._access.get(PODS, key.namespace, key.name)
        if pod is None or pod["spec"].get("nodeName") or is_terminating(pod):
            return None
        nodes = self._access.find(NODES)
        fitting = [node for node in nodes if _fits(pod, node)]
        if not fitting:
            message = f"0/{len(nodes)} nodes are available for this pod."
            self._events.warning(pod, "FailedScheduling", message)
            self._set_scheduled(pod, reason="Unschedulable", message=message)
            return None
        load = Counter(
            p["spec"].get("nodeName") for p in self._access.find(PODS) if is_pod_active(p)
        )
        target = name_of(min(fitting, key=lambda node: (load[name_of(node)], name_of(node))))

        def bind(obj: Manifest) -> None:
            obj["spec"]["nodeName"] = target

        pod = self._access.change(PODS, pod, bind, subresource="binding")
        self._set_scheduled(pod)
        where = f"{key.namespace}/{key.name}"
        self._events.normal(pod, "Scheduled", f"Successfully assigned {where} to {target}")
        return None

    def _set_scheduled(self, pod: Manifest, *, reason: str = "", message: str = "") -> None:
        status = dict(pod.get("status") or {})
        conditions = list(status.get("conditions") or [])
        condition: Manifest = {
            "type": "PodScheduled",
            "status": "False" if reason else "True",
            "lastTransitionTime": rfc3339(self._access.now()),
        }
        if reason:
            condition |= {"reason": reason, "message": message}
        before = find(conditions, "PodScheduled")
        if before is not None and before["status"] == condition["status"]:
            return
        status.setdefault("phase", "Pending")
        status["conditions"] = [*without(conditions, "PodScheduled"), condition]
        self._access.set_status(PODS, pod, status)


def _fits(pod: Manifest, node: Manifest) -> bool:
    ready = condition_of(node, "Ready")
    if node.get("spec", {}).get("unschedulable") or ready is None or ready["status"] != "True":
        return False
    labels = node["metadata"].get("labels") or {}
    wanted = pod["spec"].get("nodeSelector") or {}
    names = _required_names(pod)
    return labels.items() >= wanted.items() and (names is None or name_of(node) in names)


def _required_names(pod: Manifest) -> list[str] | None:
    """The nodes that a DaemonSet's pod names in its affinity; None: any."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    names = [
        str(value)
        for term in required.get("nodeSelectorTerms") or []
        for field in term.get("matchFields") or []
        if field["key"] == "metadata.name"
        for value in field["values"]
    ]
    return names or None
