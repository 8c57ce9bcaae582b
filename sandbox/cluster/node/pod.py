"""The life of one pod on a node: its containers, its status, its end."""

import asyncio

from sandbox.cluster.base.errors import ApiError
from sandbox.cluster.base.resources import PODS
from sandbox.cluster.base.types import Manifest, rfc3339
from sandbox.cluster.node.container import Container
from sandbox.cluster.node.environment import NodeEnvironment
from sandbox.cluster.node.images import image_id


class PodWorker:
    """Runs a pod until its containers are done or it is deleted."""

    def __init__(self, node: NodeEnvironment, pod: Manifest, pod_ip: str) -> None:
        self._node, self._pod, self._pod_ip = node, pod, pod_ip
        self._uid = str(pod["metadata"]["uid"])
        self._started_at = rfc3339(node.store.now())
        self._containers = [
            Container(node, pod, spec, pod_ip=pod_ip, changed=self._publish)
            for spec in pod["spec"]["containers"]
        ]
        self._delete = asyncio.Event()
        self._grace = 0.0
        self._finished = False

    def delete(self, grace: float) -> None:
        """The pod has a deletionTimestamp: end it within `grace` real seconds."""
        self._grace = grace
        self._delete.set()

    async def run(self) -> None:
        """Until the pod is removed from the store. Cancelling kills the containers."""
        self._publish()
        async with asyncio.TaskGroup() as group:
            runs = [group.create_task(c.run()) for c in self._containers]
            done = asyncio.create_task(self._note_completion(runs))
            try:
                await self._delete.wait()
                await asyncio.gather(*(c.stop(self._grace) for c in self._containers))
                await asyncio.wait(runs)
            finally:
                done.cancel()
                self._node.runtime.unregister_addresses(self._uid)
        self._publish()
        self._remove()

    async def _note_completion(self, runs: list[asyncio.Task[None]]) -> None:
        await asyncio.wait(runs)
        self._finished = not self._delete.is_set()
        self._publish()

    def _remove(self) -> None:
        store, metadata = self._node.store, self._pod["metadata"]
        if store.stored(PODS, self._pod) is not None:
            store.finish_delete(PODS, metadata["namespace"], metadata["name"])

    # --- status ------------------------------------------------------------------------------

    def _publish(self) -> None:
        """Writes the status as it is now; a pod that has gone needs none."""
        metadata = self._pod["metadata"]
        if self._node.store.stored(PODS, self._pod) is None:
            return

        def change(pod: Manifest) -> None:
            before = pod.get("status") or {}
            pod["status"] = {**before, **self._status(before)}

        try:
            self._node.store.mutate(
                PODS,
                metadata["namespace"],
                metadata["name"],
                change,
                subresource="status",
                manager="kubelet",
            )
        except ApiError as error:
            if error.reason != "NotFound":
                raise

    def _status(self, before: Manifest) -> Manifest:
        return {
            "phase": self._phase(),
            "conditions": self._conditions(before.get("conditions") or []),
            "hostIP": self._node.host_ip,
            "hostIPs": [{"ip": self._node.host_ip}],
            "podIP": self._pod_ip,
            "podIPs": [{"ip": self._pod_ip}],
            "startTime": self._started_at,
            "containerStatuses": [self._container_status(c) for c in self._containers],
            "qosClass": before.get("qosClass", "BestEffort"),
        }

    def _phase(self) -> str:
        states = [c.status.state for c in self._containers]
        if self._finished:
            codes = [s["terminated"]["exitCode"] for s in states if "terminated" in s]
            return "Failed" if any(codes) or len(codes) < len(states) else "Succeeded"
        begun = ["waiting" not in c.status.state or c.status.last_state for c in self._containers]
        return "Running" if all(begun) else "Pending"

    def _conditions(self, before: list[Manifest]) -> list[Manifest]:
        unready = [c.name for c in self._containers if not c.status.ready]
        now = rfc3339(self._node.store.now())
        conditions = []
        for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"):
            waits = kind in {"Ready", "ContainersReady"} and unready
            condition: Manifest = {"type": kind, "status": "False" if waits else "True"}
            old = next((c for c in before if c["type"] == kind), None)
            same = old is not None and old["status"] == condition["status"]
            condition["lastTransitionTime"] = old["lastTransitionTime"] if old and same else now
            if waits:
                condition["reason"] = "ContainersNotReady"
                condition["message"] = f"containers with unready status: [{' '.join(unready)}]"
            conditions.append(condition)
        kinds = {c["type"] for c in conditions}
        return [*conditions, *(c for c in before if c["type"] not in kinds)]

    def _container_status(self, container: Container) -> Manifest:
        status = container.status
        pulled = status.container_id != ""
        return {
            "name": container.name,
            "image": container.image,
            "imageID": image_id(container.image) if pulled else "",
            **({"containerID": status.container_id} if pulled else {}),
            "ready": status.ready,
            "started": status.started,
            "restartCount": status.restarts,
            "state": status.state,
            "lastState": status.last_state,
        }
