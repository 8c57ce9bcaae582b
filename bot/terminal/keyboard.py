"""What the operator types, one line at a time, and Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

_CHUNK = 4096


class InterruptedByOperatorError(Exception):
    """Ctrl-C while a question was open."""


class Keyboard:
    """Reads standard input without a thread, so that a question can be left at any moment."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._buffer = b""
        self._is_at_end = False
        self.interrupted = asyncio.Event()
        """Set by Ctrl-C; whoever acts on it clears it."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take Ctrl-C as a wish instead of as an end."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self.interrupted.set)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    async def line(self) -> str | None:
        """The next line without its end; None when there is no more to come.

        Raises InterruptedByOperatorError after Ctrl-C.
        """
        while b"\n" not in self._buffer and not self._is_at_end:
            await self._wait()
            chunk = os.read(self._descriptor, _CHUNK)
            self._buffer += chunk
            self._is_at_end = not chunk
        if not self._buffer:
            return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace").strip()

    async def _wait(self) -> None:
        """Until there is something to read."""
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        try:
            loop.add_reader(self._descriptor, readable.set)
        except (PermissionError, ValueError):
            return  # a plain file or /dev/null: reading it does not wait
        waits = [
            asyncio.create_task(readable.wait()),
            asyncio.create_task(self.interrupted.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            loop.remove_reader(self._descriptor)
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if self.interrupted.is_set():
            self.interrupted.clear()
            raise InterruptedByOperatorError


WIDE = 120
"""Columns where nobody's window says how wide it is."""


def make_console(*, errors: bool = False) -> Console:
    """A console that shows text as it is: no markup, no guessing of colours."""
    console = Console(stderr=errors, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDE
    return console


# The formats of a report, as they are chosen at a terminal.
