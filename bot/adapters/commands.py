"""Programs of this machine, without a shell and without the bot's own secrets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from bot.errors import ConfigurationError, OutcomeUnknownError, PermanentError
from bot.ports.outside import Finished

LONGEST_OUTPUT = 1024 * 1024
"""Characters kept of each stream: the end, where programs say what went wrong."""
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SYSTEMROOT")


class LocalCommands:
    """Implements ``bot.ports.outside.Commands``."""

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
    """Implements ``bot.ports.outside.Secrets`` with environment variables."""

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
