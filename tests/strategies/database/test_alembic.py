"""Alembic by its command line: the real one, with real migrations, on a real server."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bot.core.errors import PermanentError, RefusedError, TemporaryError, WorldMovedError
from bot.engine.world import KnowsSchema
from bot.incident.plan import PreflightVerdict
from strategies.database.alembic import RunAlembicParams
from strategies.database.client import lock_key
from strategies.registry import step_kind, strategy
from tests.strategies.database.alembic_project import ENVIRONMENT, Project
from tests.strategies.database.alembic_shop import GOOD, revision
from tests.strategies.database.support import Shop, preflight, reloaded, steps_of

DROP_TOKENS = "op.drop_table('oauth_tokens')"


async def test_alembic_goes_down_one_revision_a_step_and_up_again_to_undo(alembic: Shop) -> None:
    before = alembic.schema()
    plan = await alembic.plan(good=GOOD)
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


async def test_alembic_as_it_is_installed_does_the_same(alembic: Shop) -> None:
    step = steps_of(await alembic.plan("aaa41"), "run-alembic")[0]
    params = RunAlembicParams.model_validate(step.action.params)
    installed = str(Path(sys.executable).parent / "alembic")
    params = params.model_copy(
        update={"alembic": params.alembic.model_copy(update={"program": installed})}
    )
    action = step.action.model_copy(update={"params": params.model_dump(mode="json")})
    await step_kind("run-alembic").act(step.model_copy(update={"action": action}), alembic.world)
    assert revision(alembic) == [("aaa41",)]


async def test_a_process_killed_after_alembic_has_run_does_not_run_it_again(
    alembic: Shop,
) -> None:
    plan = await alembic.plan(good=GOOD)
    for step in plan.steps:
        if step.changes:
            await step_kind(step.action.kind).act(step, alembic.world)  # killed before confirming
        await alembic.run(step)
    assert revision(alembic) == [("aaa40",)]
    downs = [call[-1] for call in alembic.commands.calls if call[1:2] == ("downgrade",)]
    assert [one for one in downs if one != "--sql"] == ["aaa41", "aaa40"]


async def test_the_url_comes_from_a_secret_where_the_project_wants_it_so(
    alembic: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql+psycopg://postgres:word-7@/{alembic.database}?host={alembic.host}"
    monkeypatch.setenv("SHOP_URL", url)
    alembic.changes |= {"url_variable": "SHOP_DATABASE_URL", "url_secret": "SHOP_URL"}
    plan = await alembic.plan("aaa41")
    assert "word-7" not in plan.model_dump_json()
    assert 'SHOP_DATABASE_URL="$SHOP_URL"' in plan.script()
    await alembic.run_all(plan)
    assert revision(alembic) == [("aaa41",)]


# What can be wrong with the migrations


async def test_an_empty_downgrade_of_alembic_blocks(alembic: Shop, project: Project) -> None:
    project.revision("aaa41", "aaa40", "add preferences")
    plan = await alembic.plan(good=GOOD)
    assert [block.name for block in plan.blocks] == ["Down scripts"]
    assert "the downgrade of aaa41 is empty" in plan.blocks[0].sentence


async def test_a_downgrade_that_cannot_be_shown_before_blocks(
    alembic: Shop, project: Project
) -> None:
    reads = "op.get_bind().execute(sa.text('SELECT 1')).fetchall()"
    project.revision("aaa41", "aaa40", "add preferences", downgrade=reads)
    plan = await alembic.plan(good=GOOD)
    assert "the downgrade of aaa41 cannot be seen before" in plan.blocks[0].sentence


async def test_a_downgrade_that_raises_blocks_with_what_it_says(
    alembic: Shop, project: Project
) -> None:
    refuses = "raise NotImplementedError('there is no way back')"
    project.revision("aaa42", "aaa41", "add oauth tokens", downgrade=refuses)
    plan = await alembic.plan(good=GOOD)
    assert "NotImplementedError: there is no way back" in plan.blocks[0].sentence


async def test_a_failing_downgrade_rolls_back_and_says_what_postgresql_said(
    alembic: Shop, project: Project
) -> None:
    fails = f"{DROP_TOKENS}\n    op.drop_table('nowhere')"
    project.revision("aaa42", "aaa41", "add oauth tokens", downgrade=fails)
    plan = await alembic.plan("aaa40")
    with pytest.raises(PermanentError, match=r'downgrade aaa41 failed.*"nowhere" does not exist'):
        await alembic.run_all(plan)
    assert revision(alembic) == [("aaa42",)]
    assert alembic.sql("SELECT count(*) FROM oauth_tokens") == [(4,)]


async def test_a_project_that_does_not_load_is_told_by_its_error(
    alembic: Shop, project: Project
) -> None:
    project.environment("import shop_models_that_are_not_here\n")
    plan = await alembic.plan("aaa41")
    assert "No module named 'shop_models_that_are_not_here'" in plan.blocks[0].sentence


# Branches


async def test_a_branch_that_is_not_applied_is_in_nobodys_way(
    alembic: Shop, project: Project
) -> None:
    project.revision("bbb42", "aaa41", "an experiment", "op.drop_table('users')")
    plan = await alembic.plan("aaa41")
    assert plan.is_safe, plan.blocks
    await alembic.run_all(plan)
    assert revision(alembic) == [("aaa41",)]
    await alembic.undo(plan)
    assert revision(alembic) == [("aaa42",)]


async def test_two_heads_that_are_applied_are_not_followed(alembic: Shop, project: Project) -> None:
    project.revision("bbb42", "aaa41", "an experiment")
    alembic.sql("INSERT INTO alembic_version VALUES ('bbb42')")
    with pytest.raises(PermanentError, match="several heads: aaa42, bbb42"):
        await alembic.plan(good=GOOD)


async def test_a_merge_has_several_ways_down_and_none_is_taken(
    alembic: Shop, project: Project
) -> None:
    project.revision("bbb42", "aaa41", "an experiment")
    project.revision("aaa43", ("aaa42", "bbb42"), "merge")
    alembic.sql("UPDATE alembic_version SET version_num = 'aaa43'")
    with pytest.raises(RefusedError, match="no other release than schema aaa43"):
        await alembic.plan()
    project.revision("aaa44", "aaa43", "add colours", downgrade=DROP_TOKENS)
    alembic.sql("UPDATE alembic_version SET version_num = 'aaa44'")
    observed = await strategy("database").observe(alembic.service, alembic.world)
    assert [one.release for one in observed.candidates] == ["schema aaa43"]
    with pytest.raises(RefusedError, match="no release “aaa42”"):
        await alembic.plan("aaa42")
    # What is behind the merge is out of sight, which is not the same as not applied.
    alembic.changes["releases"] = {"v1.9.0": "aaa42"}
    chosen = strategy("database")
    assert isinstance(chosen, KnowsSchema)
    fit = await chosen.schema_fits(alembic.service, alembic.world, release="v1.9.0")
    assert fit.fits is None


async def test_a_revision_that_depends_on_another_branch_is_not_gone_below(
    alembic: Shop, project: Project
) -> None:
    project.revision("ccc01", None, "reports of another team")
    project.revision("aaa43", "aaa42", "add colours", downgrade=DROP_TOKENS, depends=["ccc01"])
    alembic.sql("UPDATE alembic_version SET version_num = 'aaa43'")
    observed = await strategy("database").observe(alembic.service, alembic.world)
    assert observed.live_release == "schema aaa43"
    assert observed.candidates == ()


# Conflicts


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


async def test_other_sql_or_another_revision_than_approved_stops_it(
    alembic: Shop, project: Project
) -> None:
    plan = await alembic.plan(good=GOOD)
    project.revision("aaa42", "aaa41", "add oauth tokens", downgrade="op.drop_table('users')")
    with pytest.raises(WorldMovedError, match="changed after the approval"):
        await alembic.run_all(plan)
    alembic.sql("UPDATE alembic_version SET version_num = 'aaa43'")
    with pytest.raises(WorldMovedError, match="aaa43"):
        await alembic.run_all(plan)
    with pytest.raises(PermanentError, match="does not know revision aaa43"):
        await strategy("database").observe(alembic.service, alembic.world)


async def test_an_env_py_that_leads_to_another_database_is_found_out(
    alembic: Shop, project: Project
) -> None:
    other = f"{alembic.database}_other"
    alembic.sql(f"CREATE DATABASE {other} TEMPLATE {alembic.database}", "postgres")
    plan = await alembic.plan("aaa41")
    there = f'"postgresql+psycopg:///{other}"'
    project.environment(ENVIRONMENT.replace('"postgresql+psycopg://"', there))
    with pytest.raises(PermanentError, match="Alembic ended well, but the database is at aaa42"):
        await alembic.run_all(plan)
    assert revision(alembic) == [("aaa42",)]
