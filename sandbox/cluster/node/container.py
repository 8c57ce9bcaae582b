"""The life of one container of a pod: pull, configure, run, probe, restart, stop."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.cluster.controllers.events import EventRecorder
from sandbox.cluster.node.configuration import Configuration, MissingConfigurationError
from sandbox.cluster.node.environment import NodeEnvironment
from sandbox.cluster.node.images import ContainerContext, Entrypoint
from sandbox.cluster.node.probes import Probe, watch
from sandbox.cluster.node.process import Process
from sandbox.cluster.node.timings import Backoff
from sandbox.cluster.runtime import LogLine
from sandbox.cluster.types import Manifest, rfc3339

# What counts as the state before the first answer; a start-up probe has none.
_ASSUMED = {"readinessProbe": False, "livenessProbe": True, "startupProbe": None}


@dataclass(kw_only=True)
class ContainerState:
    """What `status.containerStatuses` tells of the container."""

    state: Manifest = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last_state: Manifest = field(default_factory=dict)
    ready: bool = False
    started: bool = False
    restarts: int = 0
    container_id: str = ""


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
        self._stopping = asyncio.Event()
        self._process: Process | None = None
        self.status = ContainerState()

    @property
    def image(self) -> str:
        return str(self._spec["image"])

    async def run(self) -> None:
        """Until stopped, or finished where the restart policy says so."""
        entrypoint = await self._pull()
        backoff = Backoff(self._node.timings, immediate_first=True)
        while entrypoint is not None and not self._stopping.is_set():
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
        self._stopping.set()
        process = self._process
        if process is None:
            return
        self._events.normal(self._pod, "Killing", f"Stopping container {self.name}")
        deadline = asyncio.get_running_loop().time() + grace
        hook = ((self._spec.get("lifecycle") or {}).get("preStop") or {}).get("sleep")
        if hook is not None:
            await asyncio.sleep(min(grace, hook["seconds"] * self._node.timings.second))
        await process.terminate(max(0.0, deadline - asyncio.get_running_loop().time()))

    async def _pause(self, seconds: float) -> None:
        """Waits, but not longer than until the container is stopped."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _wait_because(self, reason: str, message: str = "") -> None:
        waiting = {"reason": reason, **({"message": message} if message else {})}
        if self.status.state != {"waiting": waiting}:
            self.status.state = {"waiting": waiting}
            self._changed()

    # --- image -------------------------------------------------------------------------------

    async def _pull(self) -> Entrypoint | None:
        """The image's program, or None when stopped before it could be pulled."""
        present = self._node.cached(self.image, self._spec.get("imagePullPolicy"))
        if present is not None:
            message = f'Container image "{self.image}" already present on machine'
            self._events.normal(self._pod, "Pulled", message)
            return present
        backoff = Backoff(self._node.timings, immediate_first=False)
        while not self._stopping.is_set():
            self._events.normal(self._pod, "Pulling", f'Pulling image "{self.image}"')
            await self._pause(self._node.timings.image_pull)
            entrypoint = self._node.pull(self.image)
            if entrypoint is not None:
                self._events.normal(
                    self._pod, "Pulled", f'Successfully pulled image "{self.image}"'
                )
                return entrypoint
            await self._pull_failed(backoff)
        return None

    async def _pull_failed(self, backoff: Backoff) -> None:
        why = f'failed to pull and unpack image "{self.image}": not found'
        self._events.warning(self._pod, "Failed", f'Failed to pull image "{self.image}": {why}')
        self._events.warning(self._pod, "Failed", "Error: ErrImagePull")
        self._wait_because("ErrImagePull", why)
        delay = backoff.next_delay()
        # Upstream shows the error until the next look at the pod, then the back-off.
        await self._pause(min(delay / 2, self._node.timings.config_retry))
        message = f'Back-off pulling image "{self.image}"'
        self._events.normal(self._pod, "BackOff", message)
        self._events.warning(self._pod, "Failed", "Error: ImagePullBackOff")
        self._wait_because("ImagePullBackOff", message)
        await self._pause(delay)

    # --- configuration -----------------------------------------------------------------------

    async def _configure(self) -> ContainerContext | None:
        """What the process gets to see, or None when stopped before all of it existed."""
        source = Configuration(self._node.store, self._pod, self._pod_ip)
        while not self._stopping.is_set():
            try:
                files = source.files(self._spec)
            except MissingConfigurationError as missing:
                self._events.warning(
                    self._pod, "FailedMount", f"MountVolume.SetUp failed for volume: {missing}"
                )
                await self._pause(self._node.timings.config_retry)
                continue
            try:
                env = source.environment(self._spec)
            except MissingConfigurationError as missing:
                self._events.warning(self._pod, "Failed", f"Error: {missing}")
                self._wait_because("CreateContainerConfigError", str(missing))
                await self._pause(self._node.timings.config_retry)
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
        await self._pause(self._node.timings.container_start)
        if self._stopping.is_set():
            return 0
        self._node.runtime.start_container(self._uid, self.name)
        self._events.normal(self._pod, "Created", f"Created container: {self.name}")
        started = self._node.store.now()
        process = self._process = Process(entrypoint, context)
        self._events.normal(self._pod, "Started", f"Started container {self.name}")
        self._began(started)
        health = asyncio.create_task(self._watch_health(process))
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
        if self._stopping.is_set():
            return
        delay = backoff.next_delay()
        self.status.last_state = self.status.state
        if delay:
            where = f"{self.name} in pod {self._pod['metadata']['name']}"
            self._events.warning(
                self._pod, "BackOff", f"Back-off restarting failed container {where}"
            )
            self._wait_because(
                "CrashLoopBackOff",
                f"back-off {delay:g}s restarting failed container={self.name}",
            )
            await self._pause(delay)
        if not self._stopping.is_set():
            self.status.restarts += 1

    # --- health ------------------------------------------------------------------------------

    async def _watch_health(self, process: Process) -> None:
        if "startupProbe" in self._spec:
            await self._until_started(process)
        async with asyncio.TaskGroup() as group:
            if "readinessProbe" in self._spec:
                group.create_task(self._probe("readinessProbe", "Readiness", self._set_ready))
            if "livenessProbe" in self._spec:
                group.create_task(
                    self._probe("livenessProbe", "Liveness", self._restart(process, "liveness"))
                )

    async def _until_started(self, process: Process) -> None:
        restart = self._restart(process, "startup")
        done = asyncio.Event()

        def changed(healthy: bool) -> None:
            if healthy:
                self.status.started = True
                self.status.ready = "readinessProbe" not in self._spec
                self._changed()
                done.set()
            else:
                restart(False)

        probing = asyncio.create_task(self._probe("startupProbe", "Startup", changed))
        try:
            await done.wait()
        finally:
            probing.cancel()
            await asyncio.wait({probing})

    async def _probe(self, field: str, kind: str, changed: Callable[[bool], None]) -> None:
        ports = {
            p["name"]: int(p["containerPort"]) for p in self._spec.get("ports") or [] if "name" in p
        }
        probe = Probe(spec=self._spec[field], ports=ports, pod_ip=self._pod_ip)

        async def check() -> str:
            return await probe.check(
                self._node.http,
                lambda port: self._node.runtime.address(self._uid, port),
            )

        def failed(problem: str) -> None:
            self._events.warning(self._pod, "Unhealthy", f"{kind} probe failed: {problem}")

        await watch(
            probe,
            check,
            second=self._node.timings.second,
            healthy=_ASSUMED[field],
            changed=changed,
            failed=failed,
        )

    def _set_ready(self, ready: bool) -> None:
        self.status.ready = ready
        self._changed()

    def _restart(self, process: Process, probe: str) -> Callable[[bool], None]:
        def changed(healthy: bool) -> None:
            if not healthy:
                message = f"Container {self.name} failed {probe} probe, will be restarted"
                self._events.normal(self._pod, "Killing", message)
                grace = int(self._pod["spec"].get("terminationGracePeriodSeconds", 30))
                self._node.spawn(process.terminate(grace * self._node.timings.second))

        return changed
