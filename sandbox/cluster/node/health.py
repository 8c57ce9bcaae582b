"""The probes of one run of a container, and what follows from their answers."""

import asyncio
from collections.abc import Callable

from sandbox.cluster.base.types import Manifest
from sandbox.cluster.node.environment import NodeEnvironment
from sandbox.cluster.node.probes import Probe, watch
from sandbox.cluster.node.process import Process
from sandbox.cluster.node.state import ContainerState

# What counts as the state before the first answer; a start-up probe has none.
_ASSUMED = {"readinessProbe": False, "livenessProbe": True, "startupProbe": None}


class HealthWatcher:
    """Sets `started` and `ready` of the state; ends a process that is not alive."""

    def __init__(
        self,
        node: NodeEnvironment,
        pod: Manifest,
        spec: Manifest,
        *,
        pod_ip: str,
        state: ContainerState,
        changed: Callable[[], None],
        process: Process,
    ) -> None:
        self._node, self._pod, self._spec = node, pod, spec
        self._pod_ip, self._state, self._changed = pod_ip, state, changed
        self._process = process

    async def watch(self) -> None:
        """Until cancelled: the start-up probe first, then readiness and liveness."""
        if "startupProbe" in self._spec:
            await self._until_started()
        async with asyncio.TaskGroup() as group:
            if "readinessProbe" in self._spec:
                group.create_task(self._probe("readinessProbe", self._set_ready))
            if "livenessProbe" in self._spec:
                group.create_task(self._probe("livenessProbe", self._end_unless("liveness")))

    async def _until_started(self) -> None:
        done = asyncio.Event()
        end_unless = self._end_unless("startup")

        def answered(healthy: bool) -> None:
            end_unless(healthy)
            if healthy:
                self._state.started = True
                self._state.ready = "readinessProbe" not in self._spec
                self._changed()
                done.set()

        probing = asyncio.create_task(self._probe("startupProbe", answered))
        try:
            await done.wait()
        finally:
            probing.cancel()
            await asyncio.wait({probing})

    async def _probe(self, field: str, changed: Callable[[bool], None]) -> None:
        ports = {
            p["name"]: int(p["containerPort"]) for p in self._spec.get("ports") or [] if "name" in p
        }
        probe = Probe(spec=self._spec[field], ports=ports, pod_ip=self._pod_ip)
        uid, runtime = self._pod["metadata"]["uid"], self._node.runtime
        kind = field.removesuffix("Probe").capitalize()

        async def check() -> str:
            return await probe.check(self._node.http, lambda port: runtime.address(uid, port))

        def failed(problem: str) -> None:
            self._node.events.warning(self._pod, "Unhealthy", f"{kind} probe failed: {problem}")

        await watch(
            probe,
            check,
            second=self._node.timings.second,
            healthy=_ASSUMED[field],
            changed=changed,
            failed=failed,
        )

    def _set_ready(self, ready: bool) -> None:
        self._state.ready = ready
        self._changed()

    def _end_unless(self, probe: str) -> Callable[[bool], None]:
        """Ends the process when the probe says that it is not healthy; it is then restarted."""

        def answered(healthy: bool) -> None:
            if healthy:
                return
            message = f"Container {self._spec['name']} failed {probe} probe, will be restarted"
            self._node.events.normal(self._pod, "Killing", message)
            grace = int(self._pod["spec"].get("terminationGracePeriodSeconds", 30))
            self._node.spawn(self._process.terminate(grace * self._node.timings.second))

        return answered
