"""Text files of the team's own, such as a release plan."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


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
