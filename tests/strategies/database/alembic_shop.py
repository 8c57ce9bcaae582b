"""The shop whose schema Alembic keeps."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.strategies.database import alembic_fork
from tests.strategies.database.alembic_project import Project
from tests.strategies.database.support import CHECKS, Shop

GOOD = ("schema aaa40",)


@pytest.fixture(scope="module")
def program() -> Iterator[str]:
    # Not pytest's directory: the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="alembic-") as folder:
        process = alembic_fork.start(Path(folder))
        yield str(Path(folder) / "alembic")
        alembic_fork.stop(process)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def alembic(shop: Shop, project: Project, program: str) -> Shop:
    shop.sql(
        "DROP TABLE schema_migrations;"
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);"
        "INSERT INTO alembic_version VALUES ('aaa42')"
    )
    shop.changes = {
        "method": "alembic",
        "folder": str(project.folder),
        "program": program,
        "checks": CHECKS,
        "statement_timeout": "20s",
    }
    return shop


def revision(shop: Shop) -> list[tuple[str, ...]]:
    return shop.sql("SELECT version_num::text FROM alembic_version ORDER BY 1")
