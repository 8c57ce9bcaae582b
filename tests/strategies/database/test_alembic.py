"""Alembic by its documented command line: ``history``, ``downgrade``, ``upgrade``, ``--sql``."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.plan import PreflightVerdict
from bot.errors import PermanentError, TemporaryError, WorldMovedError
from strategies.postgres.locks import lock_key
from strategies.registry import step_kind, strategy
from tests.strategies.database.support import (
    CHECKS,
    MIGRATIONS,
    Shop,
    preflight,
    reloaded,
    steps_of,
)

# Prints what the real one prints (alembic 1.x, offline mode included) and applies with psql.
ALEMBIC = """#!/bin/sh
set -eu
if [ "$1" = history ]; then
  echo "aaa41 -> aaa42 (head), add oauth tokens"
  echo "aaa40 -> aaa41, add preferences"
  echo "<base> -> aaa40, create users"
  exit 0
fi
way=down; [ "$1" = upgrade ] && way=up
if [ "${3:-}" = --sql ]; then
  from=${2%%:*}; to=${2##*:}
else
  from=$(psql -XAtc "SELECT version_num FROM alembic_version"); to=$2
fi
file=$from; [ $way = up ] && file=$to
script() {
  echo "BEGIN;"; echo
  echo "-- Running $1 $from -> $to"; echo
  cat "$file.$way.sql"; echo
  echo "UPDATE alembic_version SET version_num='$to' WHERE alembic_version.version_num = '$from';"
  echo; echo "COMMIT;"
}
if [ "${3:-}" = --sql ]; then script "$1"; exit 0; fi
echo "INFO  [alembic.runtime.migration] Running $1 $from -> $to" >&2
script "$1" | psql -X -q -v ON_ERROR_STOP=1 -f -
"""


@pytest.fixture
def alembic(shop: Shop, tmp_path: Path) -> Shop:
    shop.sql(
        "DROP TABLE schema_migrations;"
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);"
        "INSERT INTO alembic_version VALUES ('aaa42')"
    )
    for name, text in MIGRATIONS.items():
        number, way = name[2:4], name.split(".")[1]
        shop.write(f"aaa{number}.{way}.sql", f"{text.rstrip(';')};")
    program = tmp_path / "alembic"
    program.write_text(ALEMBIC, encoding="utf-8")
    program.chmod(0o755)
    shop.changes = {
        "method": "alembic",
        "folder": str(shop.folder),
        "program": str(program),
        "checks": CHECKS,
        "statement_timeout": "20s",
    }
    return shop


def revision(shop: Shop) -> list[tuple[str, ...]]:
    return shop.sql("SELECT version_num::text FROM alembic_version")


async def test_alembic_goes_down_one_revision_a_step_and_up_again_to_undo(alembic: Shop) -> None:
    before = alembic.schema()
    plan = await alembic.plan(good=("schema aaa40",))
    assert plan.is_safe, plan.blocks
    assert (plan.from_release, plan.to_release) == ("schema aaa42", "schema aaa40")
    assert "4 rows of oauth_tokens (dropped)" in plan.data_loss
    assert "3 values of users.preferences (dropped)" in plan.data_loss
    assert revision(alembic) == [("aaa42",)]
    said = await alembic.run_all(plan)
    assert revision(alembic) == [("aaa40",)]
    assert said[-1] == "The schema is aaa40; 2 checks hold."
    calls = [call for call in alembic.commands.calls if call[1:] == ("downgrade", "aaa41")]
    await alembic.run_all(reloaded(plan))
    assert len(calls) == 1
    assert calls == [c for c in alembic.commands.calls if c[1:] == ("downgrade", "aaa41")]
    await alembic.undo(plan)
    assert revision(alembic) == [("aaa42",)]
    assert sorted(alembic.schema()) == sorted(before)


async def test_an_empty_downgrade_of_alembic_blocks(alembic: Shop) -> None:
    alembic.write("aaa41.down.sql", "-- pass\n")
    plan = await alembic.plan(good=("schema aaa40",))
    assert [block.name for block in plan.blocks] == ["Down scripts"]
    assert "the downgrade of aaa41 is empty" in plan.blocks[0].sentence


async def test_a_downgrade_that_cannot_be_shown_before_blocks(alembic: Shop) -> None:
    (alembic.folder / "aaa41.down.sql").unlink()
    plan = await alembic.plan(good=("schema aaa40",))
    assert "cannot be seen before" in plan.blocks[0].sentence


async def test_alembic_waits_for_the_lock_and_lets_go_of_its_own(alembic: Shop) -> None:
    plan = await alembic.plan(good=("schema aaa41",))
    step = steps_of(plan, "run-alembic")[0]
    with alembic.connect(application_name="deploy-job") as other:
        other.execute(f"SELECT pg_advisory_lock({lock_key(alembic.database, None)})".encode())
        with pytest.raises(TemporaryError, match="deploy-job"):
            await step_kind("run-alembic").act(step, alembic.world)
    await alembic.run_all(plan)
    assert revision(alembic) == [("aaa41",)]
    found = preflight(await alembic.plan("aaa40"), "Advisory lock")
    assert found.verdict is PreflightVerdict.PASS


async def test_a_failing_downgrade_rolls_back_and_says_alembics_last_words(alembic: Shop) -> None:
    alembic.write("aaa42.down.sql", "DROP TABLE oauth_tokens; DROP TABLE nowhere;")
    plan = await alembic.plan(good=("schema aaa40",))
    with pytest.raises(PermanentError, match=r"downgrade aaa41 failed.*nowhere"):
        await alembic.run_all(plan)
    assert revision(alembic) == [("aaa42",)]
    assert alembic.sql("SELECT count(*) FROM oauth_tokens") == [(4,)]


async def test_other_sql_or_another_revision_than_approved_stops_it(alembic: Shop) -> None:
    plan = await alembic.plan(good=("schema aaa40",))
    alembic.write("aaa42.down.sql", "DROP TABLE users CASCADE;")
    with pytest.raises(WorldMovedError, match="changed after the approval"):
        await alembic.run_all(plan)
    alembic.sql("UPDATE alembic_version SET version_num = 'aaa43'")
    with pytest.raises(WorldMovedError, match="aaa43"):
        await alembic.run_all(plan)
    with pytest.raises(PermanentError, match="does not know revision aaa43"):
        await strategy("database").observe(alembic.service, alembic.world)
