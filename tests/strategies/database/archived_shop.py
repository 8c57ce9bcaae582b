"""The shop with a real archive of it that is two migrations old."""

# ruff: noqa: S608 - the names are our own.

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.contracts.store_postgres import find_postgres
from tests.strategies.database.support import Shop


def dump(shop: Shop, name: str = "shop.dump", *options: str) -> Path:
    """A real archive of the database as it is now."""
    path = shop.folder.parent / name
    subprocess.run(
        [
            str((find_postgres() or Path()) / "pg_dump"),
            *("-Fc", *options, "-h", str(shop.host), "-U", "postgres"),
            *("-d", shop.database, "-f", str(path)),
        ],
        check=True,
    )
    return path


@pytest.fixture
def restorable(shop: Shop) -> Shop:
    """An archive of schema 0040; then the two migrations and a row more, and one row damaged."""
    shop.sql(
        "ALTER TABLE users DROP CONSTRAINT lower_case; DROP TABLE oauth_tokens;"
        "ALTER TABLE users DROP COLUMN preferences;"
        "DELETE FROM schema_migrations WHERE version > '0040'"
    )
    archive = dump(shop)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    Path(f"{archive}.sha256").write_text(f"{digest}  shop.dump\n", encoding="utf-8")
    shop.sql(
        "CREATE TABLE oauth_tokens (token text); INSERT INTO users VALUES (6, 'late@example.com');"
        "INSERT INTO schema_migrations (version) VALUES ('0041'), ('0042');"
        "UPDATE users SET email = '' WHERE id = 1"
    )
    check = {
        "name": "users without e-mail",
        "sql": "SELECT count(*) FROM users WHERE email = ''",
        "expect": 0,
    }
    shop.changes = {
        "method": "restore",
        "directory": str(archive.parent),
        "checks": (check,),
    }
    return shop


def names(shop: Shop) -> dict[str, int]:
    rows = shop.sql(
        "SELECT datname::text, oid::bigint FROM pg_database"
        f" WHERE datname ~ '^{shop.database}(_|$)'",
        "postgres",
    )
    return dict(rows)
