"""The kubelet of one node: runs the pods bound to it as real servers on loopback."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import AsyncExitStack

from sandbox.cluster.base.resources import PODS
from sandbox.cluster.base.runtime import PodRuntimeRegistry
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import Manifest
from sandbox.cluster.node.environment import NodeEnvironment
from sandbox.cluster.node.images import ContainerContext, Entrypoint, ImageRegistry
from sandbox.cluster.node.pod import PodWorker
from sandbox.cluster.node.timings import DEMO, QUICK, KubeletTimings

__all__ = [
    "DEMO",
    "QUICK",
    "ContainerContext",
    "Entrypoint",
    "ImageRegistry",
    "Kubelet",
    "KubeletTimings",
]


class Kubelet:
    """Watches the store for pods of its node. `number` decides the pods' addresses."""

    def __init__(
        self,
        *,
        number: int,
        name: str,
        store: ObjectStore,
        runtime: PodRuntimeRegistry,
        images: ImageRegistry,
        timings: KubeletTimings,
    ) -> None:
        self.name = name
        self.host_ip = f"192.168.49.{number + 1}"
        self._store, self._runtime = store, runtime
        self._images, self._timings = images, timings
        self._addresses = _pod_addresses(number)
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled, which kills every container."""
        node = NodeEnvironment(
            name=self.name,
            host_ip=self.host_ip,
            store=self._store,
            runtime=self._runtime,
            images=self._images,
            timings=self._timings,
        )
        subscription = self._store.subscribe()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(node.close)
            stack.callback(subscription.close)
            async with asyncio.TaskGroup() as group:
                for pod in self._store.list(PODS, fields=f"spec.nodeName={self.name}"):
                    self._observe(node, group, pod)
                async for event in subscription:
                    if event.gvr != PODS:
                        continue
                    if event.type == "DELETED":
                        self._removed(event.object)
                    elif event.object["spec"].get("nodeName") == self.name:
                        self._observe(node, group, event.object)

    def _observe(self, node: NodeEnvironment, group: asyncio.TaskGroup, pod: Manifest) -> None:
        uid = pod["metadata"]["uid"]
        if uid not in self._workers:
            if self._store.stored(PODS, pod) is None:
                return
            worker = self._workers[uid] = PodWorker(node, pod, next(self._addresses))
            task = self._tasks[uid] = group.create_task(worker.run())
            task.add_done_callback(lambda _: self._forget(uid))
        if "deletionTimestamp" in pod["metadata"]:
            grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
            self._workers[uid].delete(grace * self._timings.second)

    def _removed(self, pod: Manifest) -> None:
        """Gone from the API without waiting for us: a forced deletion."""
        if task := self._tasks.get(pod["metadata"]["uid"]):
            task.cancel()

    def _forget(self, uid: str) -> None:
        self._workers.pop(uid, None)
        self._tasks.pop(uid, None)
        self._runtime.forget(uid)


def _pod_addresses(node: int) -> Iterator[str]:
    """10.244.0.0/16, a /20 a node, never the same address twice."""
    for host in itertools.count(2):
        third, fourth = divmod(host, 254)
        yield f"10.244.{node * 16 + third}.{fourth + 1}"
