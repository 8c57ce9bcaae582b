"""Text files on this machine."""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
from pathlib import Path

from bot.errors import PermanentError

NEW_FILE_MODE = 0o644


class LocalFiles:
    """Implements ``bot.ports.files.TextFiles``."""

    async def read(self, path: Path) -> str:
        """The text; see the port."""
        return await asyncio.to_thread(_read, path)

    async def replace(self, path: Path, text: str) -> None:
        """Write the whole file or nothing; see the port."""
        await asyncio.to_thread(_replace, path, text)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise PermanentError(f"{path} is not UTF-8 text.", "Save it as UTF-8.") from error
    except OSError as error:
        raise _refused(path, error) from error


def _replace(path: Path, text: str) -> None:
    """A new file takes the old one's name in one step, so that no reader ever sees a half."""
    # A link stays a link: its target is replaced.
    target = Path(os.path.realpath(path))
    temporary: str | None = None
    try:
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else NEW_FILE_MODE
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(target)
        temporary = None
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Whether ``replace`` could write there; nothing is changed.

    Raises PermanentError where it could not.
    """
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise _refused(path, FileNotFoundError(0, f"there is no folder {folder}"))
    # A new file takes the old one's name, so the folder's rights count and not the file's.
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _refused(path, PermissionError(0, f"folder {folder} may not be written"))


def _refused(path: Path, error: OSError) -> PermanentError:
    return PermanentError(
        f"{path} cannot be written or read: {error.strerror}.",
        "Let the bot write there, or correct the path in rollback.yml.",
    )
