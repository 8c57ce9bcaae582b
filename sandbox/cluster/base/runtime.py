"""What the kubelet tells the API server about running containers: addresses and logs.

The kubelet registers here; `pods/log`, `pods/proxy` and `services/proxy` read from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line a container wrote, without its newline; `time` is aware."""

    time: datetime
    text: str


@dataclass(frozen=True, kw_only=True)
class _Container:
    pod_uid: str
    name: str


@dataclass(kw_only=True)
class _Run:
    """One start of a container, until it ends."""

    lines: list[LogLine] = field(default_factory=list)
    ended: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class PodRuntimeRegistry:
    """Addresses and logs of containers, by the pod's uid."""

    def __init__(self) -> None:
        self._addresses: dict[tuple[str, int], tuple[str, int]] = {}
        self._runs: dict[_Container, list[_Run]] = {}

    # --- filled by the kubelet -------------------------------------------------------------

    def register_address(self, pod_uid: str, port: int, host: str, host_port: int) -> None:
        """A container port of the pod is served at this loopback address."""
        self._addresses[pod_uid, port] = (host, host_port)

    def unregister_addresses(self, pod_uid: str) -> None:
        """The pod serves nothing any more; its logs stay."""
        for known in [key for key in self._addresses if key[0] == pod_uid]:
            del self._addresses[known]

    def start_container(self, pod_uid: str, container: str) -> None:
        """A new run begins; the one before becomes `previous`."""
        runs = self._runs.setdefault(_Container(pod_uid=pod_uid, name=container), [])
        if runs:
            self._end(runs[-1])
        runs.append(_Run())

    def append_log(self, pod_uid: str, container: str, line: LogLine) -> None:
        """Adds a line to the current run; starts one if there is none."""
        key = _Container(pod_uid=pod_uid, name=container)
        if not self._runs.get(key):
            self.start_container(pod_uid, container)
        run = self._runs[key][-1]
        run.lines.append(line)
        run.wake()

    def end_container(self, pod_uid: str, container: str) -> None:
        """The current run is over; who follows it sees the end."""
        for run in self._runs.get(_Container(pod_uid=pod_uid, name=container), [])[-1:]:
            self._end(run)

    def forget(self, pod_uid: str) -> None:
        """The pod is gone: drops addresses and logs, ends who follows."""
        self.unregister_addresses(pod_uid)
        for key in [key for key in self._runs if key.pod_uid == pod_uid]:
            for run in self._runs.pop(key):
                self._end(run)

    # --- read by the API server ------------------------------------------------------------

    def address(self, pod_uid: str, port: int) -> tuple[str, int] | None:
        """Loopback host and port behind the pod's container port, or None when nothing listens."""
        return self._addresses.get((pod_uid, port))

    def has_run(self, pod_uid: str, container: str, *, previous: bool = False) -> bool:
        """Whether the container has started at all (`previous`: at least twice)."""
        return self._run(pod_uid, container, previous=previous) is not None

    def logs(self, pod_uid: str, container: str, *, previous: bool = False) -> list[LogLine]:
        """What the current (or previous) run wrote until now, oldest first."""
        run = self._run(pod_uid, container, previous=previous)
        return list(run.lines) if run else []

    async def follow(self, pod_uid: str, container: str) -> AsyncGenerator[LogLine, None]:
        """Every line of the current run from its first, then new ones until the run ends."""
        run = self._run(pod_uid, container, previous=False)
        sent = 0
        while run is not None:
            changed, ended = run.changed, run.ended
            while sent < len(run.lines):
                yield run.lines[sent]
                sent += 1
            if ended:
                return
            await changed.wait()

    def _run(self, pod_uid: str, container: str, *, previous: bool) -> _Run | None:
        runs = self._runs.get(_Container(pod_uid=pod_uid, name=container), [])
        wanted = runs[-2:-1] if previous else runs[-1:]
        return wanted[0] if wanted else None

    @staticmethod
    def _end(run: _Run) -> None:
        run.ended = True
        run.wake()
