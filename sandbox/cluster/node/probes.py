"""Probes: really requested over loopback, with the periods and thresholds of the manifest."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from sandbox.cluster.base.types import Manifest

Address = Callable[[int], tuple[str, int] | None]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One probe of a container; times are in seconds of the specification.

    Defaults: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Probe
    """

    spec: Manifest
    ports: dict[str, int]
    pod_ip: str

    def setting(self, name: str, default: int) -> int:
        return int(self.spec.get(name) or default)

    def port(self, value: int | str) -> int:
        return value if isinstance(value, int) else self.ports[value]

    async def check(self, session: aiohttp.ClientSession, address: Address) -> str:
        """Asks once; an empty text means success, else it says what failed.

        The time-out is in real seconds: it measures a real exchange, however fast the node is.
        """
        if http := self.spec.get("httpGet"):
            return await self._http(session, address, http)
        if tcp := self.spec.get("tcpSocket"):
            return await self._tcp(address, self.port(tcp["port"]))
        return "only httpGet and tcpSocket probes can run in this cluster"

    async def _http(self, session: aiohttp.ClientSession, address: Address, http: Any) -> str:
        port = self.port(http["port"])
        path = http.get("path", "/")
        shown = f'Get "http://{self.pod_ip}:{port}{path}"'
        target = address(port)
        if target is None:
            return f"{shown}: dial tcp {self.pod_ip}:{port}: connect: connection refused"
        url = f"http://{target[0]}:{target[1]}{path}"
        headers = {h["name"]: h["value"] for h in http.get("httpHeaders") or []}
        headers.setdefault("User-Agent", "kube-probe/1.33")
        try:
            async with (
                asyncio.timeout(self.setting("timeoutSeconds", 1)),
                session.get(url, headers=headers, allow_redirects=False) as response,
            ):
                if 200 <= response.status < 400:
                    return ""
                return f"HTTP probe failed with statuscode: {response.status}"
        except TimeoutError:
            return f"{shown}: context deadline exceeded"
        except aiohttp.ClientConnectorError:
            return f"{shown}: dial tcp {self.pod_ip}:{port}: connect: connection refused"
        except aiohttp.ClientError:
            return f"{shown}: EOF"

    async def _tcp(self, address: Address, port: int) -> str:
        target = address(port)
        refused = f"dial tcp {self.pod_ip}:{port}: connect: connection refused"
        if target is None:
            return refused
        try:
            async with asyncio.timeout(self.setting("timeoutSeconds", 1)):
                _, writer = await asyncio.open_connection(*target)
        except TimeoutError:
            return f"dial tcp {self.pod_ip}:{port}: i/o timeout"
        except OSError:
            return refused
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return ""


async def watch(
    probe: Probe,
    check: Callable[[], Awaitable[str]],
    *,
    second: float,
    healthy: bool | None,
    changed: Callable[[bool], None],
    failed: Callable[[str], None],
) -> None:
    """Probes for ever, from the state `healthy`; `changed` after a threshold is reached.

    `failed` hears of every failed attempt. Runs until cancelled.
    """
    await asyncio.sleep(probe.setting("initialDelaySeconds", 0) * second)
    needed = {
        True: probe.setting("successThreshold", 1),
        False: probe.setting("failureThreshold", 3),
    }
    in_a_row = 0
    last: bool | None = None
    while True:
        problem = await check()
        success = not problem
        in_a_row = in_a_row + 1 if success == last else 1
        last = success
        if problem:
            failed(problem)
        if in_a_row >= needed[success] and success != healthy:
            healthy = success
            changed(success)
        await asyncio.sleep(probe.setting("periodSeconds", 10) * second)
