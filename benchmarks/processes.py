"""Programs beside the bot: those that it is compared with, and those that do the asking."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.model import CannotRunError

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 120.0
"""Seconds that a program may take for one answer."""
LONGEST_LINE = 2**20


def needed(program: str) -> str:
    """The path of an installed program; raises CannotRunError when there is none."""
    found = shutil.which(program)
    if found is None:
        raise CannotRunError(f"{program} is not installed")
    return found


class Module:
    """A module of this package run as a process that is talked to in lines."""

    def __init__(self, name: str, *arguments: str, environment: dict[str, str] | None = None):
        self._command = [sys.executable, "-m", f"benchmarks.peers.{name}", *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=ROOT,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    @property
    def pid(self) -> int:
        """Its process id; raises CannotRunError before the start."""
        return self._running().pid

    async def ask(self, line: str) -> str:
        """Send a line and read the answer."""
        stdin = self._running().stdin
        if stdin is None:
            raise CannotRunError(f"{self._command[2]} cannot be talked to")
        stdin.write(line.encode() + b"\n")
        await stdin.drain()
        return await self.line()

    async def line(self) -> str:
        """The next line that it writes. Raises CannotRunError when it ends instead."""
        process = self._running()
        if process.stdout is None:
            raise CannotRunError(f"{self._command[2]} cannot be talked to")
        async with asyncio.timeout(PATIENCE):
            line = await process.stdout.readline()
        if not line:
            raise CannotRunError(f"{self._command[2]} ended: its errors stand above")
        return line.decode().rstrip("\n")

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise CannotRunError(f"{self._command[2]} was not started")
        return self._process


async def timed_script(name: str, environment: dict[str, str]) -> float:
    """Run a script of this package; the seconds that it took.

    Raises CannotRunError with what it said when it fails.
    """
    script = Path(__file__).with_name("peers") / name
    start = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        needed("sh"),
        str(script),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        said, _ = await process.communicate()
    seconds = time.perf_counter() - start
    if process.returncode:
        raise CannotRunError(f"{name} failed: {said.decode(errors='replace').strip()[-500:]}")
    return seconds
