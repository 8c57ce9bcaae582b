"""A real Prometheus: history written as blocks, and the sandbox shop's page that it scrapes."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

from sandbox.shop.metrics import PodMetrics
from tests.contracts.metrics_story import ORDERS, RELEASE, SECONDS, Story

SCRAPED_EVERY = 15
"""Seconds, in the history."""
LIVE_PER_SECOND = 200
USER, PASSWORD = "rollback-bot", "prometheus-secret"
_HASH = "$2b$04$vmsW2lXqR68OpydQsrTlnOLUb9ulXNzMJiKpYB.iMrYRfOgO46PXq"
"""Of the password, as the server wants it (bcrypt)."""
_LISTENING = re.compile(r"Listening on.*address=127\.0\.0\.1:(\d+)")
_BOUNDS = ("0.1", "0.25", "+Inf")


def find_prometheus() -> bool:
    """Whether Debian's package (or any other) is installed."""
    return all(shutil.which(name) for name in ("prometheus", "promtool"))


class PrometheusServer:
    """Knows every story under a label of its name, and scrapes ``LiveService``."""

    def __init__(self, home: Path, stories: Iterable[Story]) -> None:
        self._live = _LiveService()
        _write_history(home, stories)
        (home / "web.yml").write_text(f"basic_auth_users:\n  {USER}: {_HASH}\n")
        (home / "prometheus.yml").write_text(
            "global: {scrape_interval: 100ms, scrape_timeout: 100ms}\n"
            "scrape_configs:\n"
            "- job_name: live\n"
            f"  static_configs: [{{targets: ['127.0.0.1:{self._live.port}']}}]\n"
        )
        self._process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={home}/prometheus.yml",
                f"--web.config.file={home}/web.yml",
                f"--storage.tsdb.path={home}/data",
                "--storage.tsdb.retention.time=10d",
                "--web.listen-address=127.0.0.1:0",
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stderr is not None
        self.url = f"http://127.0.0.1:{_port(self._process.stderr)}"
        # A full pipe would stop the server.
        self._reader = threading.Thread(target=self._process.stderr.read)
        self._reader.start()

    async def scrapes_live(self) -> None:
        """Wait for it: a server that has just started looks for targets every five seconds."""
        assert await asyncio.to_thread(self._live.scraped.wait, 30)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._reader.join()
        if self._process.stderr:
            self._process.stderr.close()
        self._live.stop()


def _port(log: IO[str]) -> int:
    """The free port that it has taken, once it answers queries; it says both in either order."""
    port, ready, lines = None, False, []
    for line in log:
        lines.append(line)
        if found := _LISTENING.search(line):
            port = int(found[1])
        ready = ready or "Server is ready to receive web requests" in line
        if port and ready:
            return port
    raise AssertionError("Prometheus did not start:\n" + "".join(lines))


class _LiveService:
    """The sandbox shop's own metrics page; it serves by the clock, and one request in ten fails."""

    def __init__(self) -> None:
        self.scraped = threading.Event()
        self._metrics = PodMetrics(service="checkout", version=RELEASE)
        self._since, self._served = time.monotonic(), 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = outer._page()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                outer.scraped.set()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.port = self._server.server_port

    def _page(self) -> bytes:
        due = int((time.monotonic() - self._since) * LIVE_PER_SECOND)
        for number in range(self._served, due):
            code = 500 if number % 10 == 0 else 200
            self._metrics.observe(code=code, method="GET", path="/cart", seconds=SECONDS)
        self._served = due
        return self._metrics.render()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _write_history(home: Path, stories: Iterable[Story]) -> None:
    lines = [line for story in stories for line in _samples(story)]
    (home / "history.txt").write_text("\n".join([*lines, "# EOF", ""]))
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", "history.txt", "data"],
        cwd=home,
        check=True,
        capture_output=True,
    )


class _Counters:
    """One process of the service."""

    def __init__(self) -> None:
        self.requests = self.errors = self.orders = 0.0

    def lines(self, job: str, at: datetime) -> Iterator[str]:
        labels, moment = f'job="{job}",instance="10.0.0.1:8080"', f"{at.timestamp():.0f}"
        version = f'{labels},version="{RELEASE}"'
        good = self.requests - self.errors
        if good:
            yield f'http_requests_total{{{version},code="200"}} {good} {moment}'
        if self.errors:
            yield f'http_requests_total{{{version},code="500"}} {self.errors} {moment}'
        for bound in _BOUNDS:
            inside = 0.0 if float(bound) < SECONDS else self.requests
            name = f'http_request_duration_seconds_bucket{{{labels},le="{bound}"}}'
            yield f"{name} {inside} {moment}"
        for part, value in (("sum", self.requests * SECONDS), ("count", self.requests)):
            yield f"http_request_duration_seconds_{part}{{{labels}}} {value} {moment}"
        yield f"orders_total{{{labels}}} {self.orders} {moment}"
        yield f"process_open_fds{{{labels}}} 256 {moment}"
        yield f"process_max_fds{{{labels}}} 1024 {moment}"


def _samples(story: Story) -> Iterator[str]:
    """A scrape every 15 seconds, the last one of a minute at its end."""
    counters, scrapes = _Counters(), 60 // SCRAPED_EVERY
    begin = story.every_minute()[0][0]
    yield from counters.lines(story.name, begin)
    for number, (start, minute) in enumerate(story.every_minute()):
        if (
            story.restart_after is not None
            and number == len(story.every_minute()) - len(story.minutes) + story.restart_after
        ):
            counters = _Counters()
        requests, errors = minute or (1000, 500)
        for scrape in range(1, scrapes + 1):
            counters.requests += requests / scrapes
            counters.errors += errors / scrapes
            counters.orders += ORDERS / scrapes if requests else 0
            at = start.timestamp() + scrape * SCRAPED_EVERY
            if minute is not None or (scrape == scrapes and _read_after(story, number)):
                yield from counters.lines(story.name, datetime.fromtimestamp(at, start.tzinfo))


def _read_after(story: Story, number: int) -> bool:
    """Whether the minute that begins now is read again."""
    following = story.every_minute()[number + 1 : number + 2]
    return bool(following) and following[0][1] is not None
