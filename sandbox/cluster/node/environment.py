"""What every pod of one node shares: the store, the registry of images, the probe client."""

import asyncio
import uuid
from collections.abc import Coroutine
from typing import Any

import aiohttp

from sandbox.cluster.base.runtime import PodRuntimeRegistry
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.controllers.events import EventRecorder
from sandbox.cluster.node.images import Entrypoint, ImageRegistry
from sandbox.cluster.node.timings import KubeletTimings


class NodeEnvironment:
    """Belongs to a running loop; `close` ends what was started in the background."""

    def __init__(
        self,
        *,
        name: str,
        host_ip: str,
        store: ObjectStore,
        runtime: PodRuntimeRegistry,
        images: ImageRegistry,
        timings: KubeletTimings,
    ) -> None:
        self.name, self.host_ip = name, host_ip
        self.store, self.runtime, self.timings = store, runtime, timings
        self.events = EventRecorder(store, "kubelet", host=name)
        # A probe opens a new connection each time, as the kubelet does.
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        self._registry = images
        self._pulled: dict[str, Entrypoint] = {}
        self._background: set[asyncio.Task[Any]] = set()

    def cached(self, reference: str, policy: str | None) -> Entrypoint | None:
        """The image where it may be used without asking the registry."""
        latest = ":" not in reference.rsplit("/", 1)[-1] or reference.endswith(":latest")
        if (policy or ("Always" if latest else "IfNotPresent")) == "Always":
            return None
        return self._pulled.get(reference)

    def pull(self, reference: str) -> Entrypoint | None:
        """Asks the registry and keeps what it gives."""
        found = self._registry.pull(reference)
        if found is not None:
            self._pulled[reference] = found
        return found

    def new_container_id(self) -> str:
        return uuid.uuid4().hex * 2

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Runs something in the background of the node."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def close(self) -> None:
        for task in list(self._background):
            task.cancel()
        if self._background:
            await asyncio.wait(set(self._background))
        await self.http.close()
