"""Programs that print their environment, and what of it reaches people."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.core.errors import PermanentError, RollbackBotError
from bot.engine.world import World
from strategies.database.alembic import Alembic
from strategies.database.client import Session, masked
from strategies.database.downs import database_evidence
from strategies.database.restore_steps import RestoreArchive, RestoreArchiveParams
from strategies.database.target import AlembicTarget, DatabaseConnection, VersionTable

PASSWORD = "corr%ect@ho:rse"
URL = "postgresql+psycopg://shop:corr%25ect%40ho%3Arse@db.example.com/shop"
TALKATIVE = """#!/bin/sh
echo "psycopg.OperationalError: $(env | sort | tr '\\n' ' ')" >&2
echo "DSN: host=db.example.com password='another secret' dbname=shop" >&2
echo "OperationalError: cannot connect, password=yet-another in alembic.ini" >&2
env
exit ${FAILS:-1}
"""
SECRETS = (PASSWORD, "corr%25ect", "another secret", "yet-another")
"""None of them may be read by anybody, in no form."""


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    for name in ("psql", "pg_dump", "pg_restore", "createdb", "alembic"):
        program = tmp_path / name
        program.write_text(TALKATIVE, encoding="utf-8")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    monkeypatch.setenv("SHOP_URL", URL)
    connection = DatabaseConnection(password_secret="SHOP_PASSWORD")
    return Session(database="shop$HOME", connection=connection)


def alembic(folder: Path, **environment: str) -> Alembic:
    return Alembic(
        program="alembic",
        folder=str(folder),
        environment=environment,
        url_variable="DATABASE_URL",
        url_secret="SHOP_URL",
        version_table="alembic_version",
    )


def assert_silent(text: str) -> None:
    assert [secret for secret in SECRETS if secret in text] == []


async def test_what_alembic_complains_of_holds_no_password(
    session: Session, no_cluster_world: World, tmp_path: Path
) -> None:
    with pytest.raises(PermanentError) as caught:
        await alembic(tmp_path).run(session, no_cluster_world, "downgrade", "aaa41")
    assert "cannot connect, password=(secret) in alembic.ini" in str(caught.value)
    assert_silent(str(caught.value))


async def test_what_alembic_prints_between_its_sql_is_not_shown(
    session: Session, no_cluster_world: World, tmp_path: Path
) -> None:
    prints = alembic(tmp_path, FAILS="0")
    shown = await prints.offline(session, no_cluster_world, "downgrade", "aaa42", "aaa41")
    assert "PGPASSWORD=" in shown.text
    assert_silent(shown.text)
    assert_silent(" ".join(one.words for one in shown.script.statements).lower())


async def test_psql_and_its_sisters_are_quoted_without_passwords(
    session: Session, no_cluster_world: World
) -> None:
    with pytest.raises(RollbackBotError) as caught:
        await session.rows(no_cluster_world, "SELECT 1")
    assert "PGPASSWORD=(secret)" in str(caught.value)
    assert_silent(str(caught.value))
    restore = RestoreArchiveParams(
        maintenance=session,
        database="shop",
        oid=1,
        new="shop_new",
        archive="shop.dump",
        sha256="",
        jobs=1,
        owner="shop",
        encoding="UTF8",
        collate="C",
        ctype="C",
        timeout_seconds=5,
    )
    with pytest.raises(PermanentError, match="pg_restore failed") as refused:
        await RestoreArchive._run(restore, ("pg_restore", "shop.dump"), no_cluster_world, 5)
    assert_silent(str(refused.value))


@pytest.mark.parametrize("status", ["0", "1"])
async def test_the_evidence_holds_no_password_either(
    session: Session, no_cluster_world: World, tmp_path: Path, status: str
) -> None:
    program = tmp_path / "pg_dump"
    program.write_text(TALKATIVE.replace("${FAILS:-1}", status), encoding="utf-8")
    found = await database_evidence(session, VersionTable(), no_cluster_world)
    assert "PGPASSWORD=(secret)" in found[0].text
    for one in found:
        assert_silent(one.text)


def test_names_are_quoted_in_the_command_by_hand(session: Session, tmp_path: Path) -> None:
    command = alembic(tmp_path, COLOUR="dark; red").command(session, "downgrade", "aaa41")
    assert PASSWORD not in command
    shell = command.replace("alembic downgrade aaa41", "env")
    told = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=True)
    assert {"PGDATABASE=shop$HOME", "COLOUR=dark; red"} <= set(told.stdout.splitlines())


@pytest.mark.parametrize(
    "environment",
    [
        {"DATABASE_URL": "postgresql://shop:hunter2@db/shop"},
        {"SHOP_PASSWORD": "hunter2"},
        {"a; rm": "b"},
    ],
)
def test_the_catalog_takes_no_password_and_no_strange_name_among_variables(
    environment: dict[str, str],
) -> None:
    entry = {"strategy": "database", "method": "alembic", "database": "shop", "folder": "."}
    with pytest.raises(ValidationError, match=r"url_secret|not the name of an environment"):
        AlembicTarget.model_validate({**entry, "environment": environment})


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("postgresql://shop:p@ss@db/shop is down", "postgresql://(secret)@db/shop is down"),
        ("environ({'PGPASSWORD': 'a b', 'A': 1})", "environ({'PGPASSWORD': (secret), 'A': 1})"),
        ("OPTIONS (user 'x', password 'it''s')", "OPTIONS (user 'x', password (secret))"),
        ('{"password": "q", "port": 1}', '{"password": (secret), "port": 1}'),
    ],
)
def test_passwords_are_known_by_how_they_are_written(said: str, shown: str) -> None:
    assert masked(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        'FATAL:  password authentication failed for user "shop"',
        "fe_sendauth: no password supplied",
        "ALTER TABLE users DROP COLUMN password;",
        "see https://docs.example.com/a",
    ],
)
def test_what_is_no_password_stays_readable(said: str) -> None:
    assert masked(said) == said
