"""The life of one container of a pod: pull, configure, run, probe, restart, stop."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime

from sandbox.cluster.base.runtime import LogLine
from sandbox.cluster.base.types import Manifest, rfc3339
from sandbox.cluster.controllers.events import EventRecorder
from sandbox.cluster.node.configuration import Configuration, MissingConfigurationError
from sandbox.cluster.node.environment import NodeEnvironment
from sandbox.cluster.node.health import HealthWatcher
from sandbox.cluster.node.images import ContainerContext, Entrypoint
from sandbox.cluster.node.process import Process
from sandbox.cluster.node.pulling import pull
from sandbox.cluster.node.state import ContainerState
from sandbox.cluster.node.timings import Backoff


class Container:
    """Runs one container until it is stopped or, by the restart policy, is done."""

    def __init__(
        self,
        node: NodeEnvironment,
        pod: Manifest,
        spec: Manifest,
        *,
        pod_ip: str,
        changed: Callable[[], None],
    ) -> None:
        self._node, self._pod, self._spec = node, pod, spec
        self._pod_ip, self._changed = pod_ip, changed
        self._uid, self.name = str(pod["metadata"]["uid"]), str(spec["name"])
        self._events: EventRecorder = node.events
        self.stopping = asyncio.Event()
        self._process: Process | None = None
        self.status = ContainerState()

    @property
    def image(self) -> str:
        return str(self._spec["image"])

    async def run(self) -> None:
        """Until stopped, or finished where the restart policy says so."""
        entrypoint = await pull(self._node, self._pod, self._spec, self)
        backoff = Backoff(self._node.timings, immediate_first=True)
        while entrypoint is not None and not self.stopping.is_set():
            context = await self._configure()
            if context is None:
                return
            code = await self._run_once(entrypoint, context, backoff)
            policy = self._pod["spec"].get("restartPolicy", "Always")
            if policy == "Never" or (policy == "OnFailure" and code == 0):
                return
            await self._back_off(backoff)

    async def stop(self, grace: float) -> None:
        """Ends it: preStop, SIGTERM, and SIGKILL when `grace` real seconds are over."""
        self.stopping.set()
        process = self._process
        if process is None:
            return
        self._events.normal(self._pod, "Killing", f"Stopping container {self.name}")
        deadline = asyncio.get_running_loop().time() + grace
        hook = ((self._spec.get("lifecycle") or {}).get("preStop") or {}).get("sleep")
        if hook is not None:
            await asyncio.sleep(min(grace, hook["seconds"] * self._node.timings.second))
        await process.terminate(max(0.0, deadline - asyncio.get_running_loop().time()))

    async def pause(self, seconds: float) -> None:
        """Waits, but not longer than until the container is stopped."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()

    def wait_because(self, reason: str, message: str = "") -> None:
        waiting = {"reason": reason, **({"message": message} if message else {})}
        if self.status.state != {"waiting": waiting}:
            self.status.state = {"waiting": waiting}
            self._changed()

    # --- configuration -----------------------------------------------------------------------

    async def _configure(self) -> ContainerContext | None:
        """What the process gets to see, or None when stopped before all of it existed."""
        source = Configuration(self._node.store, self._pod, self._pod_ip)
        while not self.stopping.is_set():
            try:
                files = source.files(self._spec)
            except MissingConfigurationError as missing:
                self._events.warning(
                    self._pod, "FailedMount", f"MountVolume.SetUp failed for volume: {missing}"
                )
                await self.pause(self._node.timings.config_retry)
                continue
            try:
                env = source.environment(self._spec)
            except MissingConfigurationError as missing:
                self._events.warning(self._pod, "Failed", f"Error: {missing}")
                self.wait_because("CreateContainerConfigError", str(missing))
                await self.pause(self._node.timings.config_retry)
                continue
            return self._context(env, files)
        return None

    def _context(self, env: dict[str, str], files: dict[str, str]) -> ContainerContext:
        metadata, runtime = self._pod["metadata"], self._node.runtime

        def log(text: str) -> None:
            line = LogLine(time=self._node.store.now(), text=text)
            runtime.append_log(self._uid, self.name, line)

        def publish(port: int, host: str, host_port: int) -> None:
            runtime.register_address(self._uid, port, host, host_port)

        return ContainerContext(
            image=self.image,
            container=self.name,
            pod=metadata["name"],
            namespace=metadata["namespace"],
            pod_ip=self._pod_ip,
            labels=dict(metadata.get("labels") or {}),
            env=env,
            files=files,
            log=log,
            publish=publish,
        )

    # --- running -----------------------------------------------------------------------------

    async def _run_once(
        self, entrypoint: Entrypoint, context: ContainerContext, backoff: Backoff
    ) -> int:
        await self.pause(self._node.timings.container_start)
        if self.stopping.is_set():
            return 0
        self._node.runtime.start_container(self._uid, self.name)
        self._events.normal(self._pod, "Created", f"Created container: {self.name}")
        started = self._node.store.now()
        process = self._process = Process(entrypoint, context)
        self._events.normal(self._pod, "Started", f"Started container {self.name}")
        self._began(started)
        health = asyncio.create_task(self._health(process).watch())
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            await process.kill()
            raise
        finally:
            health.cancel()
            await asyncio.wait({health})
            self._process = None
            self._node.runtime.end_container(self._uid, self.name)
        backoff.reset_after(process.ran_for)
        self._ended(started, code)
        return code

    def _health(self, process: Process) -> HealthWatcher:
        return HealthWatcher(
            self._node,
            self._pod,
            self._spec,
            pod_ip=self._pod_ip,
            state=self.status,
            changed=self._changed,
            process=process,
        )

    def _began(self, started: datetime) -> None:
        status = self.status
        status.container_id = f"containerd://{self._node.new_container_id()}"
        status.state = {"running": {"startedAt": rfc3339(started)}}
        status.started = "startupProbe" not in self._spec
        status.ready = status.started and "readinessProbe" not in self._spec
        self._changed()

    def _ended(self, started: datetime, code: int) -> None:
        status = self.status
        status.ready = status.started = False
        status.state = {
            "terminated": {
                "exitCode": code,
                "reason": "Completed" if code == 0 else "Error",
                "startedAt": rfc3339(started),
                "finishedAt": rfc3339(self._node.store.now()),
                "containerID": status.container_id,
            }
        }
        self._changed()

    async def _back_off(self, backoff: Backoff) -> None:
        if self.stopping.is_set():
            return
        delay = backoff.next_delay()
        self.status.last_state = self.status.state
        if delay:
            where = f"{self.name} in pod {self._pod['metadata']['name']}"
            self._events.warning(
                self._pod, "BackOff", f"Back-off restarting failed container {where}"
            )
            self.wait_because(
                "CrashLoopBackOff",
                f"back-off {delay:g}s restarting failed container={self.name}",
            )
            await self.pause(delay)
        if not self.stopping.is_set():
            self.status.restarts += 1
