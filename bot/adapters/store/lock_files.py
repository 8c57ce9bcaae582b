"""Marks of life beside a SQLite file: a locked file for each living owner.

The kernel gives up a ``flock`` when the last descriptor of the open file is closed, at the latest
when the process is gone (flock(2)). A process that only stands still keeps it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from bot.errors import PermanentError

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def kernel() -> str:
    """The running kernel, whose locks can be seen from here: another after every boot.

    Containers on one machine share it. Where the system has no boot id, the host's name.
    """
    try:
        return _BOOT_ID.read_text().strip()
    except FileNotFoundError:
        return socket.gethostname()


class LockFiles:
    """The lock files of one database; its own store holds at most one of them."""

    def __init__(self, database: Path) -> None:
        # As SQLite does with its own files: two names of one file must not have two directories.
        self._directory = Path(f"{os.path.realpath(database)}.owners")
        self._held: tuple[Path, int] | None = None

    def hold(self, owner: str, *, patience: float) -> None:
        """Lock the file of an owner until ``release`` or the end of the process.

        Another process may look at the file for a moment; one that still holds it after
        ``patience`` seconds is alive. Raises PermanentError then, and when there can be no lock.
        """
        if self._held is not None:
            return
        path = self._path(owner)
        try:
            descriptor = self._take(path, time.monotonic() + patience)
        except OSError as error:
            raise PermanentError(
                f"No lock can be held in {self._directory}: {error.strerror}.",
                "Let the bot's user write there, on a local disk with room, or use PostgreSQL.",
            ) from error
        if descriptor is None:
            raise PermanentError(
                f"Another living process works on the store as {owner}.",
                "Stop it, or give each process its own name.",
            )
        self._held = path, descriptor

    def is_free(self, owner: str) -> bool:
        """Whether the file of an owner is there and nobody holds it."""
        try:
            descriptor = _lock(self._path(owner), os.O_RDONLY)
        except OSError:
            return False  # it cannot be told
        if descriptor is None:
            return False
        os.close(descriptor)
        return True

    def sweep(self, keep: Collection[str]) -> None:
        """Remove the files that nobody holds, but those of these owners."""
        kept = {self._path(owner) for owner in keep}
        with suppress(OSError):  # the next sweep will do
            for path in set(self._directory.iterdir()) - kept:
                descriptor = _lock(path, os.O_RDONLY)
                if descriptor is not None:
                    _remove(path, descriptor)

    def release(self, *, remove: bool) -> None:
        """Give up the own lock; a file that is left tells others of the death."""
        held, self._held = self._held, None
        if held is None:
            return
        if not remove:
            os.close(held[1])
            return
        _remove(*held)
        with suppress(OSError):  # others have theirs in it
            self._directory.rmdir()

    def _take(self, path: Path, deadline: float) -> int | None:
        while True:
            # Not exist_ok, which would look a second time, when it may have been removed.
            with suppress(FileExistsError):
                self._directory.mkdir()
            descriptor = _lock(path, os.O_RDWR | os.O_CREAT)
            if descriptor is not None or time.monotonic() > deadline:
                return descriptor
            time.sleep(0.01)

    def _path(self, owner: str) -> Path:
        return self._directory / hashlib.sha256(owner.encode()).hexdigest()


def _lock(path: Path, flags: int) -> int | None:
    """A locked descriptor of a file; None when it is gone or somebody else holds it.

    Python's descriptors are not inherited by programs that the process starts, so that those
    cannot keep the lock beyond its death.
    """
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Removed between opening and locking, it would be a lock on nothing.
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _remove(path: Path, descriptor: int) -> None:
    """Remove a file under its lock, so that nobody else has come to rely on it."""
    try:
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
