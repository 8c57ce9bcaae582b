"""The cluster in one object: store, controllers, nodes, data plane and API server."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sandbox.cluster.base.events import Subscription
from sandbox.cluster.base.rbac import ADMIN_RULES, User
from sandbox.cluster.base.resources import NAMESPACES, NODES
from sandbox.cluster.base.runtime import PodRuntimeRegistry
from sandbox.cluster.base.server import ClusterServer
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import GVR, Manifest, rfc3339
from sandbox.cluster.controllers.hpa import MetricSource, no_metrics
from sandbox.cluster.controllers.manager import ControllerManager
from sandbox.cluster.controllers.registry import all_controllers
from sandbox.cluster.dataplane import DataPlane
from sandbox.cluster.kubelet import Kubelet
from sandbox.cluster.node.images import ImageRegistry
from sandbox.cluster.node.timings import DEMO, KubeletTimings

Result = TypeVar("Result")


ADMIN = {"admin-token": User(name="admin", rules=ADMIN_RULES)}
"""The users of a cluster that was given none: one who may do everything."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Cluster:
    """A Kubernetes cluster within this process. Use it as an async context manager.

    `images` is what nodes can pull; `timings` how long nodes take; `kubelets` how many
    nodes run pods (0: a control plane alone); `namespaces` exist from the start besides those of
    the system; `users` maps bearer tokens to who presents them;
    `usage` is what the HPA sees.
    """

    def __init__(
        self,
        *,
        images: ImageRegistry | None = None,
        timings: KubeletTimings = DEMO,
        kubelets: int = 3,
        users: Mapping[str, User] = ADMIN,
        namespaces: Iterable[str] = ("shop",),
        usage: MetricSource = no_metrics,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.store = ObjectStore(clock=clock)
        self.runtime = PodRuntimeRegistry()
        self.images = images or ImageRegistry()
        self.server = ClusterServer(self.store, users=users, registry=self.runtime)
        self._dataplane = DataPlane(self.store, self.runtime)
        self._kubelets = [
            Kubelet(
                number=number,
                name=f"node-{number + 1}",
                store=self.store,
                runtime=self.runtime,
                images=self.images,
                timings=timings,
            )
            for number in range(kubelets)
        ]
        self._usage = usage
        self._running: asyncio.Task[None] | None = None
        for namespace in namespaces:
            self.store.create(NAMESPACES, {"metadata": {"name": namespace}})
        for kubelet in self._kubelets:
            self._register_node(kubelet)

    # --- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Starts everything; returns when the cluster can be used."""
        self._running = asyncio.create_task(self._run())
        await self.server.start()

    async def stop(self) -> None:
        """Stops everything and frees every port; raises what went wrong inside, if anything."""
        running, self._running = self._running, None
        if running is None:
            return
        await self.server.stop()
        if not running.done():
            running.cancel()
        await asyncio.wait({running})
        if not running.cancelled() and (error := running.exception()):
            raise error

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _run(self) -> None:
        manager = ControllerManager(self.store, all_controllers(self.store, usage=self._usage))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._dataplane.run())
            group.create_task(manager.run())
            for kubelet in self._kubelets:
                group.create_task(kubelet.run())

    # --- use ---------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The API server's address; RuntimeError before the start."""
        return self.server.url

    def write_kubeconfig(
        self, path: Path, *, user: str | None = None, namespace: str = "default"
    ) -> Path:
        """Writes a kubeconfig for the user of that name (by default the first); KeyError."""
        return self.server.write_kubeconfig(path, user=user, namespace=namespace)

    def service_url(self, namespace: str, name: str, port: int | None = None) -> str:
        """Where the Service answers on loopback, e.g. `http://127.0.0.1:43210`."""
        host, number = self._dataplane.address(namespace, name, port)
        return f"http://{host}:{number}"

    def apply(self, manifest: Manifest) -> Manifest:
        """Creates the object, or replaces its specification where it exists."""
        gvr, metadata = self._resource_of(manifest), manifest["metadata"]
        existing = self.store.peek(gvr, metadata.get("namespace"), metadata["name"])
        if existing is None:
            return self.store.create(gvr, manifest, manager="ci")

        def change(obj: Manifest) -> None:
            for kind in ("labels", "annotations"):
                obj["metadata"].setdefault(kind, {}).update(metadata.get(kind) or {})
            obj.update({k: v for k, v in manifest.items() if k not in {"metadata", "status"}})

        return self.store.mutate(
            gvr, metadata.get("namespace"), metadata["name"], change, manager="ci"
        )

    async def until(
        self,
        predicate: Callable[[], Result],
        timeout: float = 10.0,  # noqa: ASYNC109 - the limit is part of what is asked for
    ) -> Result:
        """Waits until the predicate is true, looking after every change of the store.

        Returns what the predicate returned. Raises TimeoutError after `timeout` seconds, or
        what broke inside the cluster.
        """
        subscription = self.store.subscribe()
        try:
            async with asyncio.timeout(timeout):
                while not (result := predicate()):
                    await self._next_change(subscription)
                return result
        finally:
            subscription.close()

    async def _next_change(self, subscription: Subscription) -> None:
        """Until the store changed; raises what broke inside the cluster meanwhile."""
        change = asyncio.create_task(anext(subscription))
        watched: set[asyncio.Task[Any]] = {change}
        if self._running is not None:
            watched.add(self._running)
        try:
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()
            await asyncio.wait({change})
        if self._running is not None and self._running.done():
            self._running.result()

    def _resource_of(self, manifest: Manifest) -> GVR:
        for resource in self.store.catalog:
            same = resource.gvr.api_version == manifest["apiVersion"]
            if same and resource.kind == manifest["kind"]:
                return resource.stored_as
        raise LookupError(f"{manifest['apiVersion']} {manifest['kind']} is not served")

    def _register_node(self, kubelet: Kubelet) -> None:
        now = rfc3339(self.store.now())
        labels = {"kubernetes.io/hostname": kubelet.name, "kubernetes.io/os": "linux"}
        created = self.store.create(
            NODES,
            {"metadata": {"name": kubelet.name, "labels": labels}},
            manager="kubelet",
        )
        created["status"] = {
            "addresses": [
                {"type": "InternalIP", "address": kubelet.host_ip},
                {"type": "Hostname", "address": kubelet.name},
            ],
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "KubeletReady",
                    "message": "kubelet is posting ready status",
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": now,
                }
            ],
            "nodeInfo": {
                "kubeletVersion": "v1.33.1",
                "containerRuntimeVersion": "containerd://2.0",
            },
        }
        self.store.update(NODES, created, subresource="status", manager="kubelet")
