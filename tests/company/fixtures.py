"""A company on virtual time for every test."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.company.harness import Company

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made inside


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the database lies: in memory where the system has such a place.

    The store waits for the disk at every write, which would be most of a test's time.
    """
    if not MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)


@pytest.fixture
async def company(folder: Path) -> AsyncIterator[Company]:
    """A company with no process of the bot yet."""
    async with Company(folder) as opened:
        yield opened


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What was logged; drawing a traceback for the terminal takes longer than a whole test."""
    with capture_logs() as entries:
        yield entries
