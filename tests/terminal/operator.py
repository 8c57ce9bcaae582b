"""An operator at a terminal: runs the installed command, reads its screen, types, interrupts."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.company import Company

_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-_])")
COMMAND = str(Path(sys.executable).with_name("rollback-bot"))
CTRL_C = "\x03"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A command that came to its end."""

    code: int
    out: str
    err: str


def environment(company: Company, *, login: str = "ana", slack: bool = False) -> dict[str, str]:
    """What the operator's shell exports: without Slack's variables, unless asked for."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    exported = {
        name: value
        for name, value in company.bot.environment.items()
        if slack or not name.startswith("SLACK_")
    }
    return {**inherited, **exported, "LOGNAME": login, "TERM": "xterm", "COLUMNS": "120"}


async def run(
    company: Company,
    *words: str,
    typed: str = "",
    slack: bool = False,
    changes: dict[str, str] | None = None,
) -> Ended:
    """Run a command to its end without a terminal, as a script does."""
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *words,
        env={**environment(company, slack=slack), **(changes or {})},
        cwd=company.folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(30):
            out, err = await process.communicate(typed.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ended(code=process.returncode or 0, out=out.decode(), err=err.decode())


_MANY = """
import io, json, os, sys
from contextlib import redirect_stderr, redirect_stdout
from bot.cli import work
from bot.cli.main import main
for name in work.__all__:
    getattr(work, name)
pipes = []
for words, changes in json.load(sys.stdin):
    readable, writable = os.pipe()
    if os.fork() == 0:
        os.environ.update(changes)
        sys.argv = ["rollback-bot", *words]
        out, err, code = io.StringIO(), io.StringIO(), 0
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main()
            except SystemExit as ending:
                code = ending.code or 0
            except BaseException as error:
                code, _ = 99, err.write(f"Traceback: {error!r}")
        os.write(writable, json.dumps([code, out.getvalue(), err.getvalue()]).encode())
        os._exit(0)
    os.close(writable)
    pipes.append(readable)
for readable in pipes:
    with open(readable) as pipe:
        print(pipe.read(), flush=True)
"""


async def run_all(
    company: Company, commands: Sequence[tuple[Sequence[str], dict[str, str]]]
) -> list[Ended]:
    """Run many commands at once, each in a process of its own that need not import everything."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _MANY,
        env=environment(company),
        cwd=company.folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    given = json.dumps([[list(words), changes] for words, changes in commands])
    try:
        async with asyncio.timeout(30):
            told, _ = await process.communicate(given.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    endings = [json.loads(line) for line in told.decode().splitlines()]
    return [Ended(code=code, out=out, err=err) for code, out, err in endings]


class Screen:
    """A command on a terminal of its own."""

    def __init__(self, company: Company, *words: str, login: str = "ana") -> None:
        self._company, self._words, self._login = company, words, login
        self._raw = b""
        self._changed = asyncio.Event()
        self._seen = 0
        self._is_over = False

    async def __aenter__(self) -> Self:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        environ = environment(self._company, login=self._login)
        environ.pop("COLUMNS")
        # A session of its own, led by the command, makes the terminal its own: Ctrl-C reaches it.
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
            "os.execv(sys.argv[1], sys.argv[1:])",
            COMMAND,
            *self._words,
            env=environ,
            cwd=self._company.folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        asyncio.get_running_loop().add_reader(self._master, self._read)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.kill()
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)

    @property
    def text(self) -> str:
        """Everything that was printed, without colours and cursor movements."""
        plain = _ESCAPES.sub("", self._raw.decode(errors="replace"))
        return plain.replace("\r\n", "\n").replace("\r", "\n")

    async def until(self, part: str, *, seconds: float = 25.0) -> str:
        """Wait for words that were not waited for before."""
        try:
            async with asyncio.timeout(seconds):
                while (found := self.text.find(part, self._seen)) < 0 and not self._is_over:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            found = -1
        assert found >= 0, f"“{part}” never came:\n{self.text}"
        self._seen = found + len(part)
        return self.text

    def type(self, line: str) -> None:
        """Type a line and press Enter."""
        os.write(self._master, f"{line}\n".encode())

    def press(self, key: str) -> None:
        """Press one key."""
        os.write(self._master, key.encode())

    async def ended(self, *, seconds: float = 25.0) -> int:
        """Wait for the end; the exit code."""
        try:
            async with asyncio.timeout(seconds):
                return await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"it does not end:\n{self.text}") from None

    async def kill(self) -> None:
        """End it at once, as a lost machine does."""
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def _read(self) -> None:
        try:
            chunk = os.read(self._master, 65536)
        except OSError:
            chunk = b""  # Linux says EIO when the other side is gone
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._master)
            self._is_over = True
        self._raw += chunk
        self._changed.set()
