"""A real Prometheus over a history written as blocks; the scenarios have one that scrapes."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from tests.contracts.metrics_story import ORDERS, RELEASE, SECONDS, Story

SCRAPED_EVERY = 15
"""Seconds, in the history."""
USER, PASSWORD = "rollback-bot", "prometheus-secret"
_HASH = "$2b$04$vmsW2lXqR68OpydQsrTlnOLUb9ulXNzMJiKpYB.iMrYRfOgO46PXq"
"""Of the password, as the server wants it (bcrypt)."""
_LISTENING = re.compile(r"Listening on.*address=127\.0\.0\.1:(\d+)")
_BOUNDS = ("0.1", "0.25", "+Inf")


def find_prometheus() -> bool:
    """Whether Debian's package (or any other) is installed."""
    return all(shutil.which(name) for name in ("prometheus", "promtool"))


class PrometheusServer:
    """Knows every story under a label of its name."""

    def __init__(self, home: Path, stories: Iterable[Story]) -> None:
        _write_history(home, stories)
        (home / "web.yml").write_text(f"basic_auth_users:\n  {USER}: {_HASH}\n")
        (home / "prometheus.yml").write_text("scrape_configs: []\n")
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

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._reader.join()
        if self._process.stderr:
            self._process.stderr.close()


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
