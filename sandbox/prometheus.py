"""The real Prometheus, scraping the shop's pods as they come and go."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import aiohttp

from sandbox.cluster.base.resources import PODS
from sandbox.cluster.base.types import Manifest
from sandbox.cluster.cluster import Cluster
from sandbox.shop.manifests import VERSION_LABEL
from sandbox.shop.server import PORT

_LISTENING = re.compile(rb"Listening on.*address=127\.0\.0\.1:(\d+)")
_READY = b"Server is ready to receive web requests"
START_SECONDS = 30.0


def installed() -> bool:
    """Whether Debian's package, or any other, is on the path."""
    return shutil.which("prometheus") is not None


class Prometheus:
    """A server whose targets are a file, as with any service discovery of one's own."""

    def __init__(self, folder: Path, *, cluster: Cluster, every: float) -> None:
        self._folder = folder
        self._cluster = cluster
        self._every = f"{round(every * 1000)}ms"
        self._tasks: list[asyncio.Task[None]] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write_targets()
        (self._folder / "prometheus.yml").write_text(self._configuration())
        self._process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={self._folder}/prometheus.yml",
            f"--storage.tsdb.path={self._folder}/data",
            "--web.listen-address=127.0.0.1:0",
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                self.url = f"http://127.0.0.1:{await self._port()}"
        except BaseException:
            await self._end()
            raise
        # A full pipe would stop the server.
        self._tasks = [asyncio.create_task(self._drain()), asyncio.create_task(self._follow())]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def scrapes_every_pod(self, *, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """Wait until it reads every pod that serves now: it learns of new ones every 5 s."""
        async with asyncio.timeout(timeout), aiohttp.ClientSession() as session:
            while True:
                read = await self._read_pods(session)
                # Pods that are ending leave the list while we ask.
                if {target["labels"]["pod"] for target in self._targets()} <= read:
                    return
                # It has no way to tell us; it is asked until it knows.
                await asyncio.sleep(0.2)

    async def _read_pods(self, session: aiohttp.ClientSession) -> set[str]:
        query = {"query": "up == 1"}
        async with session.get(f"{self.url}/api/v1/query", params=query) as answer:
            found: Any = await answer.json()
        return {series["metric"]["pod"] for series in found["data"]["result"]}

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._process.returncode is None:
            self._process.terminate()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._process.communicate()

    async def _port(self) -> int:
        """The server says which free port it took; it serves queries a moment later."""
        port, said = 0, b""
        async for line in self._log():
            said += line
            if found := _LISTENING.search(line):
                port = int(found[1])
            if port and _READY in line:
                return port
        raise RuntimeError(f"Prometheus did not start:\n{said.decode()}")

    def _log(self) -> asyncio.StreamReader:
        if self._process.stderr is None:
            raise RuntimeError("Prometheus was started without its log")
        return self._process.stderr

    async def _drain(self) -> None:
        async for _ in self._log():
            pass

    async def _follow(self) -> None:
        """Write the targets anew whenever the cluster changes."""
        subscription = self._cluster.store.subscribe()
        try:
            async for _ in subscription:
                self._write_targets()
        finally:
            subscription.close()

    def _configuration(self) -> str:
        return (
            f"global: {{scrape_interval: {self._every}, scrape_timeout: {self._every}}}\n"
            "scrape_configs:\n"
            "- job_name: shop\n"
            f"  file_sd_configs: [{{files: ['{self._folder}/targets.json']}}]\n"
        )

    def _write_targets(self) -> None:
        content = json.dumps(list(self._targets()), indent=1)
        path = self._folder / "targets.json"
        if path.exists() and path.read_text() == content:
            return
        # Never half a file: the server reads it as soon as it changes.
        fresh = path.with_suffix(".new")
        fresh.write_text(content)
        fresh.replace(path)

    def _targets(self) -> Iterator[dict[str, Any]]:
        for gvr, pod in self._cluster.store.everything():
            address = self._address(pod) if gvr == PODS else None
            if address is None:
                continue
            metadata = pod["metadata"]
            labels = {"app": metadata["labels"]["app"], "pod": metadata["name"]}
            version = metadata["labels"].get(VERSION_LABEL, "")
            yield {"targets": [address], "labels": {**labels, "version": version}}

    def _address(self, pod: Manifest) -> str | None:
        place = self._cluster.runtime.address(str(pod["metadata"]["uid"]), PORT)
        return f"{place[0]}:{place[1]}" if place else None
