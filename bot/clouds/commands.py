"""Programs of this machine, without a shell and without the bot's own secrets."""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from bot.clouds.outside import Finished
from bot.core.errors import ConfigurationError, OutcomeUnknownError, PermanentError

LONGEST_OUTPUT = 1024 * 1024
"""Characters kept of each stream: the end, where programs say what went wrong."""
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SYSTEMROOT")


class LocalCommands:
    """Implements ``bot.clouds.outside.Commands``."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout_seconds: float = 60.0,
        folder: str | None = None,
    ) -> Finished:
        """Run to the end; see the port."""
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**inherited, **(environment or {})},
                cwd=folder,
                # Ctrl-C at the terminal is a wish to us, and must not end a program half-way.
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise PermanentError(
                f"{argv[0]} is not installed where the bot runs.", "Install it there."
            ) from error
        except OSError as error:
            raise PermanentError(f"{argv[0]} cannot be started: {error.strerror}.") from error
        try:
            async with asyncio.timeout(timeout_seconds):
                output, errors = await process.communicate(stdin.encode())
        except TimeoutError as error:
            raise OutcomeUnknownError(
                f"{argv[0]} was not done after {timeout_seconds:g} s and was ended."
            ) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Finished(
            status=process.returncode or 0,
            output=output.decode(errors="replace")[-LONGEST_OUTPUT:],
            errors=errors.decode(errors="replace")[-LONGEST_OUTPUT:],
        )


class EnvironmentSecrets:
    """Implements ``bot.clouds.outside.Secrets`` with environment variables."""

    def read(self, name: str) -> str:
        """The value of a variable; see the port."""
        # Secrets are often kept in files, whose last line break no header could hold.
        value = os.environ.get(name, "").rstrip("\r\n")
        if not value:
            raise ConfigurationError(
                f"The environment variable {name}, which the catalog names, is not set.",
                "Set it where the bot runs, and start the bot anew.",
            )
        return value


# Text files on this machine.

NEW_FILE_MODE = 0o644


class LocalFiles:
    """Implements ``bot.clouds.commands.TextFiles``."""

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


# Text files of the team's own, such as a release plan.


class TextFiles(Protocol):
    """Reads and writes whole files."""

    async def read(self, path: Path) -> str:
        """The text; empty when there is no such file yet.

        Raises PermanentError when it cannot be read or is no text.
        """

    async def replace(self, path: Path, text: str) -> None:
        """Write the whole file, or leave it as it was.

        Raises PermanentError when that is not possible.
        """
