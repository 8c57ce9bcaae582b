"""The answer to `pods/log`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta

from sandbox.cluster.base.calls import Call
from sandbox.cluster.base.errors import ApiError, bad_request
from sandbox.cluster.base.requests import flag, number
from sandbox.cluster.base.resources import PODS
from sandbox.cluster.base.runtime import LogLine, PodRuntimeRegistry
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import Manifest, parse_time


class PodLog:
    """The log of one container, as far as the call asks for it."""

    def __init__(self, store: ObjectStore, registry: PodRuntimeRegistry, call: Call) -> None:
        """Finds pod and container; raises ApiError 404, or 400 as the kubelet words it."""
        self._query = call.query
        self._registry = registry
        self._now = store.now()
        pod = store.get(PODS, call.info.namespace, call.info.name)
        self._uid = pod["metadata"]["uid"]
        self._container = _chosen_container(pod, call.query.get("container", ""))
        self._previous = flag(call.query, "previous")
        if not registry.has_run(self._uid, self._container, previous=self._previous):
            raise self._no_logs(pod)

    def _no_logs(self, pod: Manifest) -> ApiError:
        name = pod["metadata"]["name"]
        if self._previous:
            return bad_request(
                f'previous terminated container "{self._container}" in pod "{name}" not found'
            )
        statuses = pod.get("status", {}).get("containerStatuses", [])
        mine: Manifest = next((each for each in statuses if each["name"] == self._container), {})
        waiting = (mine.get("state") or {}).get("waiting") or {}
        why = waiting.get("reason", "ContainerCreating")
        doing = {
            "ImagePullBackOff": "trying and failing to pull image",
            "ErrImagePull": "trying and failing to pull image",
        }.get(why, f"waiting to start: {why}")
        verb = "is " if doing.startswith("waiting") else "is waiting to start: "
        return bad_request(f'container "{self._container}" in pod "{name}" {verb}{doing}')

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The lines, each with its newline; with `follow` until the container ends."""
        left = number(self._query, "limitBytes")
        async for line in self._lines():
            chunk = self._render(line)
            if left is not None:
                chunk = chunk[:left]
                left -= len(chunk)
            if chunk:
                yield chunk
            if left == 0:
                return

    async def _lines(self) -> AsyncGenerator[LogLine, None]:
        past = self._registry.logs(self._uid, self._container, previous=self._previous)
        for line in self._wanted(past):
            yield line
        if not flag(self._query, "follow") or self._previous:
            return
        skip = len(past)
        async for line in self._registry.follow(self._uid, self._container):
            if skip:
                skip -= 1
            else:
                yield line

    def _wanted(self, lines: list[LogLine]) -> list[LogLine]:
        since = number(self._query, "sinceSeconds")
        if since is not None:
            oldest = self._now - timedelta(seconds=since)
            lines = [line for line in lines if line.time >= oldest]
        if moment := self._query.get("sinceTime"):
            lines = [line for line in lines if line.time >= parse_time(moment)]
        tail = number(self._query, "tailLines")
        if tail is not None:
            lines = lines[-tail:] if tail > 0 else []
        return lines

    def _render(self, line: LogLine) -> bytes:
        if flag(self._query, "timestamps"):
            stamp = line.time.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
            return f"{stamp} {line.text}\n".encode()
        return f"{line.text}\n".encode()


def _chosen_container(pod: Manifest, wanted: str) -> str:
    spec = pod["spec"]
    names = [each["name"] for each in spec.get("containers", [])]
    init = [each["name"] for each in spec.get("initContainers", [])]
    if wanted:
        if wanted not in names + init:
            raise bad_request(f"container {wanted} is not valid for pod {pod['metadata']['name']}")
        return wanted
    if len(names) == 1:
        return str(names[0])
    raise bad_request(
        f"a container name must be specified for pod {pod['metadata']['name']}, "
        f"choose one of: [{' '.join(names)}]"
    )
