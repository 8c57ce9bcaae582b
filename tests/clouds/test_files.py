"""Text files: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.clouds.commands import LocalFiles
from bot.core.errors import PermanentError

FILES = LocalFiles()


async def test_a_file_is_made_read_and_replaced_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "plan.md"
    assert await FILES.read(path) == ""
    await FILES.replace(path, "first\r\n")
    path.chmod(0o600)
    await FILES.replace(path, "ä second\r\n")
    assert await FILES.read(path) == "ä second\r\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["plan.md"]


async def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.md").write_text("old")
    link = tmp_path / "plan.md"
    link.symlink_to("real.md")
    await FILES.replace(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "real.md").read_text() == "new"


async def test_what_cannot_be_read_or_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="nowhere"):
        await FILES.replace(tmp_path / "nowhere" / "plan.md", "text")
    (tmp_path / "image.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PermanentError, match="UTF-8"):
        await FILES.read(tmp_path / "image.md")
    with pytest.raises(PermanentError):
        await FILES.read(tmp_path)
