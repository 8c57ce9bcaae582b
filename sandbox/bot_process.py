"""The bot as operators run it: a process, configured by environment and catalog."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import aiohttp

INSTALLED = str(Path(sys.executable).with_name("rollback-bot"))
START_SECONDS = 90.0
STOP_SECONDS = 10.0
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV")


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    said: str


class BotProcess:
    """Starts, stops and kills ``rollback-bot serve``."""

    def __init__(
        self, *, folder: Path, environment: dict[str, str], program: Sequence[str] = (INSTALLED,)
    ) -> None:
        """``program`` is what takes the words of a command; the installed one by default."""
        self._folder = folder
        self._environment = environment
        self._program = program
        self._process: asyncio.subprocess.Process | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables that it is started with, beside the inherited ones."""
        return dict(self._environment)

    @property
    def url(self) -> str:
        """The bot's own HTTP address."""
        return f"http://127.0.0.1:{self._environment['ROLLBACK_PORT']}"

    @property
    def log(self) -> Path:
        """Everything the bot wrote, over all its lives."""
        return self._folder / "bot.log"

    async def start(self) -> None:
        """Start and wait until it says that it is ready.

        Raises RuntimeError with the end of its log when it stops instead, or takes too long.
        """
        with self.log.open("ab") as log:
            self._process = await self._command("serve", output=log)
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._until_ready(self._process)
        except TimeoutError:
            raise RuntimeError(f"the bot is not ready:\n{self._tail()}") from None

    async def answer(self, *words: str) -> Answer:
        """What another command of the bot says beside the process that serves."""
        process = await self._command(*words, output=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        return Answer(code=process.returncode or 0, said=said.decode().strip())

    async def _command(self, *words: str, output: IO[bytes] | int) -> asyncio.subprocess.Process:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return await asyncio.create_subprocess_exec(
            *self._program,
            *words,
            "--config",
            str(self._folder / "rollback.yml"),
            env={**inherited, **self._environment},
            cwd=self._folder,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def kill(self) -> None:
        """End it at once, as ``kill -9`` does: it cannot finish anything."""
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> int:
        """Ask it to stop and wait; its exit code."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                await self.kill()
        return process.returncode or 0

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                if process.returncode is not None:
                    raise RuntimeError(f"the bot stopped at its start:\n{self._tail()}")
                try:
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                # A process that is starting has no way to call us; it is asked until it answers.
                await asyncio.sleep(0.05)

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])
