"""Down migrations on a real PostgreSQL: what stops them, what they lose, and how they resume."""

# ruff: noqa: S608 - the names are our own.

from __future__ import annotations

import asyncio
import os

import pytest

from bot.core.errors import (
    ConfigurationError,
    ForbiddenError,
    NotFoundError,
    PermanentError,
    RefusedError,
    TemporaryError,
    WorldMovedError,
)
from bot.engine.world import StepState
from bot.incident.plan import Milestone, PreflightVerdict
from strategies.database.client import lock_key
from strategies.registry import step_kind, strategy
from tests.strategies.database.support import Shop, preflight, reloaded, steps_of

FULL = ["0040", "0041", "0042"]


async def test_planning_observing_and_saving_evidence_change_nothing(shop: Shop) -> None:
    chosen = strategy("database")
    observed = await chosen.observe(shop.service, shop.world)
    plan = await shop.plan()
    saved = await chosen.evidence(shop.service, shop.world, release="schema 0042")
    instances = await chosen.instances(shop.service, shop.world)
    assert observed.live_release == "schema 0042"
    assert [one.release for one in observed.candidates] == ["schema 0041", "schema 0040"]
    assert (plan.from_release, plan.to_release) == ("schema 0042", "schema 0040")
    assert plan.is_safe, plan.blocks
    assert [one.release for one in instances] == ["schema 0042"]
    assert "CREATE TABLE public.oauth_tokens" in saved[0].text
    assert shop.sent_changes() == 0
    assert shop.versions() == FULL


async def test_rows_and_values_that_would_be_lost_are_counted_before_approval(shop: Shop) -> None:
    plan = await shop.plan()
    assert "4 rows of oauth_tokens (dropped)" in plan.data_loss
    assert "3 values of users.preferences (dropped)" in plan.data_loss
    assert preflight(plan, "Data loss").verdict is PreflightVerdict.WARN
    assert plan.typed_confirmation == shop.database
    shop.sql("INSERT INTO oauth_tokens VALUES (5, 'one more')")
    assert "5 rows of oauth_tokens" in (await shop.plan()).data_loss


async def test_a_way_down_that_loses_nothing_says_so(shop: Shop) -> None:
    shop.sql("DELETE FROM oauth_tokens; UPDATE users SET preferences = NULL")
    plan = await shop.plan()
    assert plan.data_loss == "None"
    assert plan.typed_confirmation == ""
    assert "0 rows of oauth_tokens" in preflight(plan, "Data loss").sentence


async def test_what_a_down_script_does_out_of_sight_is_called_unknown(shop: Shop) -> None:
    shop.write("0042_add_oauth_tokens.down.sql", "DO $$ BEGIN DELETE FROM users; END $$;")
    plan = await shop.plan()
    assert "unknown" in plan.data_loss
    assert plan.typed_confirmation == shop.database


async def test_a_changed_type_or_renamed_schema_is_called_unknown_and_a_changed_index_is_not(
    shop: Shop,
) -> None:
    shop.write(
        "0042_add_oauth_tokens.down.sql",
        "ALTER TYPE address DROP ATTRIBUTE street;\nALTER SCHEMA old RENAME TO new;\n"
        "ALTER INDEX users_pkey SET (fillfactor = 90);",
    )
    loss = preflight(await shop.plan(), "Data loss").sentence
    assert "unknown: “ALTER TYPE ADDRESS DROP ATTRIBUTE STREET”" in loss
    assert "unknown: “ALTER SCHEMA OLD RENAME TO NEW”" in loss
    assert "INDEX" not in loss


async def test_the_schema_goes_down_newest_first_and_is_verified(shop: Shop) -> None:
    plan = await shop.plan()
    assert [step.title for step in steps_of(plan, "run-migration")] == [
        "Take migration 0042 add_oauth_tokens down",
        "Take migration 0041 add_preferences down",
    ]
    said = await shop.run_all(plan)
    assert shop.versions() == ["0040"]
    assert ("users", "preferences") not in shop.schema()
    assert said[-1] == "The schema is 0040; 2 checks hold."
    milestones = [step.milestone for step in plan.steps if step.milestone]
    assert milestones == [Milestone.SWITCHED, Milestone.DRAINED]


async def test_the_same_facts_give_the_same_plan(shop: Shop) -> None:
    plan = await shop.plan()
    assert plan.hash == (await shop.plan()).hash == reloaded(plan).hash


async def test_a_process_killed_between_two_migrations_goes_on_with_the_second(shop: Shop) -> None:
    plan = await shop.plan()
    first, second = steps_of(plan, "run-migration")
    await step_kind(first.action.kind).act(first, shop.world)  # killed before confirming
    assert shop.versions() == ["0040", "0041"]
    await shop.run(reloaded(plan).steps[1])
    await step_kind(second.action.kind).observe(second, shop.world)  # killed before acting
    await shop.run_all(reloaded(plan))
    assert shop.versions() == ["0040"]
    assert shop.sent_changes() == 2


async def test_a_process_killed_in_the_middle_of_a_script_leaves_nothing_behind(
    shop: Shop,
) -> None:
    shop.write(
        "0042_add_oauth_tokens.down.sql",
        "DROP TABLE oauth_tokens;\nSELECT pg_sleep(20);\n"
        "ALTER TABLE users DROP CONSTRAINT lower_case;",
    )
    plan = await shop.plan()
    step = steps_of(plan, "run-migration")[0]
    kind = step_kind(step.action.kind)
    task = asyncio.create_task(kind.act(step, shop.world))
    # Not by its text: a question of ours whose session still ends holds the same words.
    sleeping = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    async with asyncio.timeout(10):
        while not shop.sql(sleeping):  # noqa: ASYNC110 - no event to await
            await asyncio.sleep(0.02)
    task.cancel()  # ends psql, as the death of the bot does
    await asyncio.gather(task, return_exceptions=True)
    # The server has not noticed yet: its session holds the lock, so nobody runs beside it.
    with pytest.raises(TemporaryError, match=r"held by postgres \(rollback-bot\)"):
        await kind.act(step, shop.world)
    shop.sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        f" WHERE datname = '{shop.database}' AND pid <> pg_backend_pid()"
    )
    assert shop.versions() == FULL
    assert shop.sql("SELECT count(*) FROM oauth_tokens") == [(4,)]
    assert (await kind.observe(step, shop.world)).state is StepState.BEFORE


async def test_a_missing_down_migration_blocks_before_the_first_one_runs(shop: Shop) -> None:
    (shop.folder / "0041_add_preferences.down.sql").unlink()
    plan = await shop.plan()
    assert [block.name for block in plan.blocks] == ["Down scripts"]
    assert "0041 add_preferences has no down script" in plan.blocks[0].sentence
    assert steps_of(plan, "run-migration") == []


async def test_an_empty_down_migration_blocks(shop: Shop) -> None:
    shop.write("0041_add_preferences.down.sql", "-- nothing\n/* to /* see */ here */ ;\n")
    plan = await shop.plan()
    assert "the down script of 0041 add_preferences is empty" in plan.blocks[0].sentence


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("DROP TABLE oauth_tokens; COMMIT;", "ends or begins transactions"),
        ("\\! rm -rf /", "commands of psql"),
        ("DROP INDEX CONCURRENTLY i;", "not run inside of a transaction"),
        ("SELECT 'open", "does not end"),
    ],
)
async def test_a_down_script_that_cannot_be_one_transaction_blocks(
    shop: Shop, script: str, why: str
) -> None:
    shop.write("0042_add_oauth_tokens.down.sql", script)
    assert why in (await shop.plan()).blocks[0].sentence


async def test_a_failing_down_rolls_back_and_leaves_its_version_applied(shop: Shop) -> None:
    shop.write("0042_add_oauth_tokens.down.sql", "DROP TABLE oauth_tokens; DROP TABLE nowhere;")
    plan = await shop.plan()
    with pytest.raises(PermanentError, match=r"0042 \(down\) failed and was rolled back.*nowhere"):
        await shop.run_all(plan)
    assert shop.versions() == FULL
    assert shop.sql("SELECT count(*) FROM oauth_tokens") == [(4,)]


async def test_an_advisory_lock_held_by_somebody_else_blocks_and_names_the_holder(
    shop: Shop,
) -> None:
    plan = await shop.plan()
    step = steps_of(plan, "run-migration")[0]
    with shop.connect(application_name="deploy-job") as other:
        other.execute(f"SELECT pg_advisory_lock({lock_key(shop.database, None)})".encode())
        assert "deploy-job" in preflight(await shop.plan(), "Advisory lock").sentence
        assert [block.name for block in (await shop.plan()).blocks] == ["Advisory lock"]
        with pytest.raises(TemporaryError, match=r"held by postgres \(deploy-job\)"):
            await step_kind("run-migration").act(step, shop.world)
    assert shop.versions() == FULL


async def test_a_table_that_somebody_locks_is_given_up_soon_and_tried_again(shop: Shop) -> None:
    shop.changes["lock_timeout"] = "100ms"
    plan = await shop.plan()
    step = steps_of(plan, "run-migration")[0]
    with shop.connect() as other, other.transaction():
        other.execute("SELECT * FROM oauth_tokens")
        with pytest.raises(TemporaryError, match="lock timeout"):
            await step_kind("run-migration").act(step, shop.world)
    await shop.run_all(plan)
    assert shop.versions() == ["0040"]


async def test_a_migration_by_somebody_else_stops_it_and_names_who_is_connected(
    shop: Shop,
) -> None:
    plan = await shop.plan()
    step = steps_of(plan, "run-migration")[0]
    shop.sql("INSERT INTO schema_migrations VALUES ('0043')")
    with shop.connect(application_name="deploy-job"):
        found = await step_kind("run-migration").observe(step, shop.world)
    assert found.state is StepState.OTHER
    assert "deploy-job" in found.changed_by
    with pytest.raises(WorldMovedError, match="not those approved"):
        await step_kind("run-migration").act(step, shop.world)
    with pytest.raises(WorldMovedError, match="0043"):
        await shop.run_all(plan)
    assert "no file explains: 0043" in preflight(await shop.plan(), "Applied migrations").sentence


async def test_a_script_that_was_changed_after_the_approval_does_not_run(shop: Shop) -> None:
    plan = await shop.plan()
    shop.write("0042_add_oauth_tokens.down.sql", "DROP TABLE users CASCADE;")
    with pytest.raises(WorldMovedError, match="changed after the approval"):
        await shop.run_all(plan)
    assert shop.versions() == FULL


async def test_nothing_to_do_when_the_old_application_runs_on_the_new_schema(shop: Shop) -> None:
    for name in ("0042_add_oauth_tokens", "0041_add_preferences"):
        path = shop.folder / f"{name}.up.sql"
        text = path.read_text(encoding="utf-8").split("ALTER TABLE users ADD CONSTRAINT")[0]
        shop.write(path.name, text)
    with pytest.raises(RefusedError, match=r"Nothing to do.*only added to the schema"):
        await shop.plan()
    named = await shop.plan("0040")
    assert preflight(named, "Can it be avoided?").verdict is PreflightVerdict.WARN


async def test_corrupted_data_and_missing_tables_are_answered_from_the_live_database(
    shop: Shop,
) -> None:
    shop.changes["needs"] = {"40": ["users.email", "users.nickname"]}
    shop.sql("DELETE FROM users WHERE id = 5")
    plan = await shop.plan()
    found = preflight(plan, "Can the old application run on the new schema?")
    assert "lacks users.nickname" in found.sentence
    assert "“4” instead of “5”" in preflight(plan, "Are data corrupted?").sentence
    shop.sql("INSERT INTO users VALUES (5, 'person5@example.com')")
    with pytest.raises(WorldMovedError, match="assessment of the database has changed"):
        await shop.run(plan.steps[0])


async def test_data_that_do_not_hold_afterwards_fail_the_verification(shop: Shop) -> None:
    plan = await shop.plan()
    await shop.run_all(reloaded(plan).model_copy(update={"steps": plan.steps[:-1]}))
    shop.sql("DELETE FROM users WHERE id = 5")
    with pytest.raises(PermanentError, match="users with e-mail: “4” instead of “5”"):
        await shop.run(plan.steps[-1])


async def test_a_release_of_the_application_names_its_schema(shop: Shop) -> None:
    shop.changes["releases"] = {"v2.0.0": "0041"}
    assert (await shop.plan("v2.0.0")).to_release == "schema 0041"
    assert (await shop.plan(good=("v2.0.0",))).to_release == "schema 0041"
    with pytest.raises(RefusedError, match="no release “v9”"):
        await shop.plan("v9")
    with pytest.raises(RefusedError, match="already live"):
        await shop.plan("schema 0042")


async def test_one_row_with_the_latest_version_is_understood_too(shop: Shop) -> None:
    shop.sql(
        "DROP TABLE schema_migrations; CREATE TABLE schema_migrations (version bigint, dirty bool);"
        "INSERT INTO schema_migrations VALUES (42, false)"
    )
    shop.changes["version"] = {"keeps": "latest"}
    plan = await shop.plan()
    await shop.run_all(plan)
    assert shop.versions() == ["40"]
    await shop.undo(plan)
    assert shop.sql("SELECT version, dirty FROM schema_migrations") == [(42, False)]
    shop.sql("UPDATE schema_migrations SET dirty = true")
    assert "marked dirty" in preflight(await shop.plan(), "Applied migrations").sentence


async def test_a_script_that_keeps_the_version_table_itself_is_no_trouble(shop: Shop) -> None:
    shop.write(
        "0042_add_oauth_tokens.down.sql",
        "ALTER TABLE users DROP CONSTRAINT lower_case; DROP TABLE oauth_tokens;"
        "DELETE FROM schema_migrations WHERE version = '0042';",
    )
    await shop.run_all(await shop.plan())
    assert shop.versions() == ["0040"]


async def test_the_password_travels_by_the_environment_only(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DB_PASSWORD", "hunter2-very-secret")
    shop.changes["connection"] = {
        "environment": {"PGHOST": str(shop.host), "PGUSER": "postgres"},
        "password_secret": "SHOP_DB_PASSWORD",
    }
    plan = await shop.plan()
    await shop.run_all(plan)
    assert "hunter2" not in plan.model_dump_json()
    assert 'PGPASSWORD="$SHOP_DB_PASSWORD"' in plan.steps[1].command
    assert not any("hunter2" in word for call in shop.commands.calls for word in call)
    assert not any("hunter2" in text for text in shop.commands.inputs)
    assert all(one["PGPASSWORD"].startswith("hunter2") for one in shop.commands.environments)
    assert "sh" not in {call[0] for call in shop.commands.calls}


async def test_what_the_server_refuses_is_said_in_our_words(shop: Shop) -> None:
    real = dict(shop.changes)
    for environment, database, error, words in (
        ({"PGHOST": "/nowhere"}, shop.database, TemporaryError, "cannot be reached"),
        ({"PGHOST": str(shop.host)}, "nosuch", NotFoundError, "does not exist"),
        ({"PGHOST": str(shop.host), "PGUSER": "nobody"}, shop.database, ForbiddenError, "role"),
    ):
        shop.changes = {
            **real,
            "database": database,
            "connection": {"environment": {"PGUSER": "postgres", **environment}},
        }
        with pytest.raises(error, match=words):
            await shop.plan()


async def test_a_role_that_does_not_own_the_tables_is_blocked(shop: Shop) -> None:
    role = f"reader_of_{shop.database}"
    shop.sql(f"CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    shop.changes["connection"] = {"environment": {"PGHOST": str(shop.host), "PGUSER": role}}
    found = preflight(await shop.plan(), "Server and rights")
    assert found.verdict is PreflightVerdict.BLOCK
    shop.sql(f"GRANT INSERT, DELETE ON schema_migrations TO {role}")
    found = preflight(await shop.plan(), "Server and rights")
    assert f"{role} does not own" in found.sentence
    shop.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_two_migrations_of_one_number_are_refused(shop: Shop) -> None:
    shop.write("0042_other.up.sql", "SELECT 1")
    with pytest.raises(ConfigurationError, match="Two migrations"):
        await shop.plan()


async def test_the_shell_script_of_the_plan_does_the_same(shop: Shop) -> None:
    script = (await shop.plan()).script()
    shell = await asyncio.create_subprocess_exec(
        *("sh", "-c", script),
        env={**os.environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await shell.communicate()
    assert shell.returncode == 0, output.decode()
    assert shop.versions() == ["0040"]
    assert ("users", "preferences") not in shop.schema()


async def test_the_plan_says_that_undo_brings_back_no_rows(shop: Shop) -> None:
    assert any("brings back none" in one for one in (await shop.plan()).not_reversible)
