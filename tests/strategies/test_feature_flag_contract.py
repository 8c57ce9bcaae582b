"""What switching a flag off promises, whatever service keeps the flag."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.clouds.aws import BotoAws
from bot.core.errors import ForbiddenError, RefusedError, WorldMovedError
from bot.engine.world import StepState
from bot.incident.plan import Milestone, Plan, PreflightVerdict, Step
from strategies.registry import step_kind, strategy
from tests.strategies.flag_services.appconfig import AppConfigServer
from tests.strategies.flag_services.fixtures import opened
from tests.strategies.flag_services.flagsmith import FlagsmithServer
from tests.strategies.flag_services.http_api import HttpApi
from tests.strategies.flag_services.launchdarkly import LaunchDarklyServer
from tests.strategies.flag_services.real_unleash import HOME, RealUnleash
from tests.strategies.flag_services.server import FlagServer
from tests.strategies.flag_services.shop import FlagShop, taken_back
from tests.strategies.flag_services.unleash import UnleashServer

SERVERS: dict[str, type[FlagServer]] = {
    one.provider: one
    for one in (HttpApi, UnleashServer, LaunchDarklyServer, FlagsmithServer, AppConfigServer)
}

REAL = "unleash-server"
"""The real one, where ``make test-unleash`` has installed it."""


@pytest.fixture(params=sorted(SERVERS) + ([REAL] if HOME else []))
async def shop(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FlagShop]:
    """Each service in turn."""
    real = request.param == REAL
    flags = (
        RealUnleash(request.getfixturevalue("unleash_process"))
        if real
        else SERVERS[request.param]()
    )
    async with opened(flags, monkeypatch) as found:
        yield found


def reloaded(plan: Plan) -> Plan:
    """The plan as another process reads it from the journal."""
    return Plan.model_validate_json(plan.model_dump_json())


def switching(plan: Plan) -> Step:
    return plan.steps[0]


async def test_the_live_release_is_the_flag_on_and_one_can_go_to_the_flag_off(
    shop: FlagShop,
) -> None:
    observed = await strategy("feature-flag").observe(shop.service, shop.world)
    assert observed.live_release == "oauth_auth on"
    assert [candidate.release for candidate in observed.candidates] == ["oauth_auth off"]


async def test_the_plan_is_safe_and_says_what_stays_as_it_is(shop: FlagShop) -> None:
    plan = await shop.plan()
    assert plan.is_safe, plan.blocks
    assert (plan.from_release, plan.to_release) == ("oauth_auth on", "oauth_auth off")
    milestones = [step.milestone for step in plan.steps]
    assert milestones == [None, Milestone.SWITCHED, Milestone.DRAINED]
    assert switching(plan).inverse is not None
    assert any("same pods" in text for text in plan.not_restored)


async def test_the_same_facts_give_the_same_plan(shop: FlagShop) -> None:
    first, second = await shop.plan(), await shop.plan()
    assert first.hash == second.hash
    assert reloaded(first).hash == first.hash


async def test_the_secret_is_in_no_plan_and_no_evidence(shop: FlagShop) -> None:
    plan = await shop.plan()
    saved = await strategy("feature-flag").evidence(
        shop.service, shop.world, release="oauth_auth on"
    )
    assert shop.flags.token not in plan.model_dump_json()
    assert shop.flags.token not in plan.script()
    assert [one.name for one in saved] == ["flag.json"]
    assert shop.flags.token not in saved[0].text


async def test_running_the_plan_switches_the_feature_off_for_the_users(shop: FlagShop) -> None:
    assert await shop.users_get() == "oauth"
    said = await shop.run_all(await shop.plan())
    assert not shop.flags.is_on
    assert await shop.users_get() == "password"
    assert "refresh interval" in said[1]
    assert said[2] == "/login answered 3 times as it does with oauth_auth off."
    observed = await strategy("feature-flag").observe(shop.service, shop.world)
    assert observed.live_release == "oauth_auth off"


async def test_a_lost_answer_to_the_change_is_found_out_by_looking(shop: FlagShop) -> None:
    step = switching(await shop.plan())
    kind = step_kind(step.action.kind)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        shop.flags.fault(method)
    with pytest.raises(Exception, match="not answer"):
        await kind.act(step, shop.world)
    assert (await kind.observe(step, shop.world)).state is StepState.AFTER
    assert len(shop.flags.changes) == 1


async def test_somebody_elses_change_before_the_step_stops_it_and_is_named(
    shop: FlagShop,
) -> None:
    step = switching(await shop.plan())
    who = shop.flags.edit()
    edited = shop.flags.state
    observed = await step_kind(step.action.kind).observe(step, shop.world)
    assert observed.state is StepState.OTHER
    assert observed.changed_by == who
    with pytest.raises(WorldMovedError, match=who):
        await step_kind(step.action.kind).act(step, shop.world)
    assert shop.flags.state == edited
    assert shop.flags.changes == []


async def test_a_flag_that_is_switched_on_again_behind_the_bots_back_is_named(
    shop: FlagShop,
) -> None:
    plan = await shop.plan()
    await shop.run(switching(plan))
    who = shop.flags.turn(on=True)
    for step in plan.steps[1:]:
        kind = step_kind(step.action.kind)
        assert (await kind.observe(step, shop.world)).changed_by == who
        with pytest.raises(WorldMovedError, match=who):
            await kind.confirm(step, shop.world)


async def test_the_inverses_restore_exactly_the_recorded_state(shop: FlagShop) -> None:
    plan = reloaded(await shop.plan())
    before = shop.flags.state
    await shop.run_all(plan)
    assert shop.flags.state != before
    await shop.undo(plan)
    assert shop.flags.state == before
    assert shop.flags.is_on


async def test_an_undo_stops_when_somebody_changed_what_it_would_restore(shop: FlagShop) -> None:
    plan = await shop.plan()
    await shop.run_all(plan)
    shop.flags.edit()
    step = switching(plan)
    assert step.inverse is not None
    if shop.flags.is_on or shop.flags.provider != "http":
        with pytest.raises(WorldMovedError):
            await shop.run(taken_back(step, step.inverse))


async def test_a_flag_that_is_off_already_is_nothing_to_do(shop: FlagShop) -> None:
    shop.flags.turn(on=False)
    with pytest.raises(RefusedError, match="Nothing to do: oauth_auth is off already"):
        await shop.plan()


async def test_going_to_the_live_state_is_nothing_to_do(shop: FlagShop) -> None:
    with pytest.raises(RefusedError, match="Nothing to do"):
        await shop.plan("oauth_auth on")


async def test_an_off_state_that_was_marked_bad_is_never_the_default(shop: FlagShop) -> None:
    with pytest.raises(RefusedError, match="marked bad"):
        await shop.plan(bad=frozenset({"oauth_auth off"}))


async def test_an_unknown_flag_is_refused_before_anything_is_changed(shop: FlagShop) -> None:
    with pytest.raises(Exception, match=r"404|no feature|no flag"):
        await shop.with_target(flag="no_such_flag").plan()


async def test_a_rejected_token_is_named_without_being_told(
    shop: FlagShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAG_TOKEN", "wrong-secret-8")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONG")
    stranger = replace(shop, world=replace(shop.world, aws=BotoAws()))
    with pytest.raises(Exception, match=r"does not accept the token|UnrecognizedClient") as caught:
        await stranger.plan()
    assert "wrong-secret-8" not in str(caught.value)


async def test_a_missing_right_to_change_is_told_with_its_remedy(shop: FlagShop) -> None:
    step = switching(await shop.plan())
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        shop.flags.fault(method, 403, body={"message": f"no for {shop.flags.token}"})
    with pytest.raises(ForbiddenError) as caught:
        await shop.run(step)
    assert shop.flags.is_on
    if shop.flags.provider != "appconfig":
        assert shop.flags.token not in str(caught.value)


async def test_without_a_probe_the_plan_warns_and_the_end_says_what_was_not_seen(
    shop: FlagShop,
) -> None:
    blind = shop.with_target(probe=None)
    plan = await blind.plan()
    found = next(one for one in plan.preflights if one.name == "Probe")
    assert found.verdict is PreflightVerdict.WARN
    said = await blind.run_all(plan)
    assert said[-1].startswith("Not observed")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_shell_script_of_the_plan_does_the_same(shop: FlagShop) -> None:
    if shop.flags.provider == "appconfig":
        assert "aws --region eu-central-1 appconfig stop-deployment" in (await shop.plan()).script()
        return
    shell = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        (await shop.plan()).script(),
        env=dict(os.environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await shell.communicate()
    assert shell.returncode == 0, output.decode()
    assert not shop.flags.is_on
    assert "password" in output.decode()
