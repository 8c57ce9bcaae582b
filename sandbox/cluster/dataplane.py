"""The data plane: each Service port is a TCP port on loopback, as kube-proxy would route it.

New connections go to the endpoints that are ready now, in turn. Established ones stay with
their pod, whatever becomes of selectors and endpoints. Without endpoints a connection is refused.
"""

import asyncio
from dataclasses import dataclass

from sandbox.cluster.base.relay import copy, reset
from sandbox.cluster.base.resources import ENDPOINT_SLICES, SERVICES
from sandbox.cluster.base.runtime import PodRuntimeRegistry
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.controllers.endpointslice import SERVICE_NAME
from sandbox.cluster.frontend import Backend, Frontend


@dataclass(frozen=True, kw_only=True, order=True)
class ServicePort:
    """A port of a Service."""

    namespace: str
    service: str
    port: int


class DataPlane:
    """Follows Services and EndpointSlices while it runs."""

    def __init__(self, store: ObjectStore, runtime: PodRuntimeRegistry) -> None:
        self._store, self._runtime = store, runtime
        self._frontends: dict[ServicePort, Frontend] = {}
        self._connections: set[asyncio.Task[None]] = set()

    def address(self, namespace: str, service: str, port: int | None = None) -> tuple[str, int]:
        """Loopback host and port of a Service port, by default its first.

        Raises ApiError 404 for an unknown Service and LookupError for an unknown port.
        """
        ports = [
            int(p["port"]) for p in self._store.get(SERVICES, namespace, service)["spec"]["ports"]
        ]
        wanted = next(iter(ports), None) if port is None else port
        if wanted is None or wanted not in ports:
            raise LookupError(f"service {namespace}/{service} has no port {wanted}")
        key = ServicePort(namespace=namespace, service=service, port=wanted)
        return "127.0.0.1", self._frontend(key).number

    def _frontend(self, key: ServicePort) -> Frontend:
        if key not in self._frontends:
            self._frontends[key] = Frontend()
        return self._frontends[key]

    async def run(self) -> None:
        """Until cancelled; then every connection and port is closed."""
        subscription = self._store.subscribe()
        try:
            for service in self._store.list(SERVICES):
                await self._sync(service["metadata"]["namespace"], service["metadata"]["name"])
            async for event in subscription:
                metadata = event.object["metadata"]
                if event.gvr == SERVICES:
                    await self._sync(metadata["namespace"], metadata["name"])
                elif event.gvr == ENDPOINT_SLICES:
                    name = (metadata.get("labels") or {}).get(SERVICE_NAME)
                    if name is not None:
                        await self._sync(metadata["namespace"], name)
        finally:
            subscription.close()
            await self._close()

    async def _sync(self, namespace: str, name: str) -> None:
        service = self._store.peek(SERVICES, namespace, name)
        ports = service["spec"].get("ports") or [] if service else []
        wanted = {
            ServicePort(namespace=namespace, service=name, port=int(port["port"])): port
            for port in ports
        }
        for key in [k for k in self._frontends if (k.namespace, k.service) == (namespace, name)]:
            if key not in wanted:
                frontend = self._frontends.pop(key)
                await frontend.close()
        for key, port in wanted.items():
            frontend = self._frontend(key)
            frontend.backends = self._backends(namespace, name, port.get("name", ""))
            if not frontend.backends:
                await frontend.silence()
            elif frontend.server is None:
                await self._listen(frontend)

    def _backends(self, namespace: str, service: str, port_name: str) -> list[Backend]:
        """Ready endpoints; without any, those that still serve while they terminate.

        https://kubernetes.io/docs/reference/networking/virtual-ips/#traffic-to-terminating-endpoints
        """
        ready, terminating = [], []
        for piece in self._store.list(
            ENDPOINT_SLICES, namespace, labels=f"{SERVICE_NAME}={service}"
        ):
            numbers = [
                p["port"] for p in piece.get("ports") or [] if p.get("name", "") == port_name
            ]
            for endpoint in piece.get("endpoints") or []:
                for number in numbers:
                    backend = Backend(pod_uid=endpoint["targetRef"]["uid"], port=number)
                    conditions = endpoint["conditions"]
                    if conditions["ready"]:
                        ready.append(backend)
                    elif conditions["serving"] and conditions["terminating"]:
                        terminating.append(backend)
        return ready or terminating

    async def _listen(self, frontend: Frontend) -> None:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(frontend, reader, writer))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

        await frontend.listen(connected)

    async def _serve(
        self, frontend: Frontend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        backend = frontend.next_backend()
        target = self._runtime.address(backend.pod_uid, backend.port) if backend else None
        try:
            if target is None:
                raise ConnectionRefusedError
            pod_reader, pod_writer = await asyncio.open_connection(*target)
        except OSError:
            # On a real node the client itself would have been refused.
            reset(writer)
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(copy(reader, pod_writer))
                group.create_task(copy(pod_reader, writer))
        finally:
            pod_writer.close()
            writer.close()

    async def _close(self) -> None:
        for frontend in self._frontends.values():
            await frontend.close()
        self._frontends.clear()
        connections = set(self._connections)
        for task in connections:
            task.cancel()
        if connections:
            await asyncio.wait(connections)
