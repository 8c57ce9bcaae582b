"""What is particular to each service of feature flags, and what can be wrong with it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from bot.catalog.service import ServiceEntry
from bot.core.errors import NotFoundError, PermanentError, WorldMovedError
from bot.engine.world import StepState, World
from bot.incident.plan import Plan, Preflight, PreflightVerdict
from sandbox.cluster.cluster import Cluster
from sandbox.shop import delivery
from strategies.registry import step_kind, strategy
from tests.strategies.flag_services.appconfig import AppConfigServer
from tests.strategies.flag_services.fixtures import opened
from tests.strategies.flag_services.flagsmith import FlagsmithServer
from tests.strategies.flag_services.http_api import HttpApi
from tests.strategies.flag_services.launchdarkly import LaunchDarklyServer
from tests.strategies.flag_services.shop import REFRESH_SECONDS, FlagShop, taken_back
from tests.strategies.flag_services.unleash import UnleashServer

ROOT = Path(__file__).parents[2]
BLOCK, WARN, PASS = PreflightVerdict.BLOCK, PreflightVerdict.WARN, PreflightVerdict.PASS


@pytest.fixture
async def http(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[HttpApi, FlagShop]]:
    flags = HttpApi()
    async with opened(flags, monkeypatch) as shop:
        yield flags, shop


@pytest.fixture
async def unleash(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[UnleashServer, FlagShop]]:
    flags = UnleashServer()
    async with opened(flags, monkeypatch) as shop:
        yield flags, shop


@pytest.fixture
async def launchdarkly(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[LaunchDarklyServer, FlagShop]]:
    flags = LaunchDarklyServer()
    async with opened(flags, monkeypatch) as shop:
        yield flags, shop


@pytest.fixture
async def flagsmith(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[FlagsmithServer, FlagShop]]:
    flags = FlagsmithServer()
    async with opened(flags, monkeypatch) as shop:
        yield flags, shop


@pytest.fixture
async def appconfig(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[AppConfigServer, FlagShop]]:
    flags = AppConfigServer()
    async with opened(flags, monkeypatch) as shop:
        yield flags, shop


def found(plan: Plan, name: str) -> Preflight:
    return next(one for one in plan.preflights if one.name == name)


# The effect, whatever the service.


async def test_a_200_of_the_admin_api_is_not_done_while_users_still_get_the_feature(
    http: tuple[HttpApi, FlagShop],
) -> None:
    _, shop = http
    plan = await shop.plan()
    await shop.users_get()
    shop.login.stuck = True
    await shop.run(plan.steps[0])
    await shop.run(plan.steps[1])
    with pytest.raises(PermanentError, match=r"is off, but .* /login answers with “oauth”"):
        await shop.run(plan.steps[2])


async def test_a_change_that_is_accepted_but_never_shown_fails_after_the_patience(
    http: tuple[HttpApi, FlagShop],
) -> None:
    flags, shop = http
    impatient = shop.with_target(patience="200ms")
    flags.fault("POST", 200, body={"accepted": True})
    with pytest.raises(
        PermanentError, match=r"accepted the change, but after 0\.2 s oauth_auth is on"
    ):
        await impatient.run((await impatient.plan()).steps[0])


async def test_the_whole_refresh_interval_is_waited_also_after_a_restart(
    http: tuple[HttpApi, FlagShop],
) -> None:
    _, shop = http
    plan = await shop.plan()
    await shop.run(plan.steps[0])
    for _ in range(2):
        start = shop.world.clock.now()
        await shop.run(plan.steps[1])
        assert shop.world.clock.now() - start >= timedelta(seconds=REFRESH_SECONDS)


async def test_a_probe_that_cannot_tell_on_from_off_is_warned_about(
    http: tuple[HttpApi, FlagShop],
) -> None:
    _, shop = http
    plan = await shop.with_target(probe={"path": "/login"}).plan()
    assert found(plan, "Probe").verdict is WARN
    assert found(await shop.plan(), "Probe").verdict is PASS


@pytest.mark.parametrize(
    ("expect", "wrong"),
    [
        ({"status": 404}, "HTTP 200 instead of 404"),
        ({"contains": "password"}, "without “password”"),
        ({"not_contains": "oauth"}, "with “oauth”"),
        ({"json": {"login.method": True}}, "instead of true"),
    ],
)
async def test_what_was_expected_of_an_answer_is_told(
    http: tuple[HttpApi, FlagShop], expect: dict[str, Any], wrong: str
) -> None:
    _, shop = http
    probe = {"path": "/login", "expect": expect, "times": 1, "patience": "1ms"}
    impatient = shop.with_target(probe=probe)
    plan = await impatient.plan()
    await impatient.users_get()
    impatient.login.stuck = True
    await impatient.run(plan.steps[0])
    with pytest.raises(PermanentError, match=wrong):
        await impatient.run(plan.steps[2])


async def test_the_replicas_are_the_same_pods_as_the_metrics_know(
    http: tuple[HttpApi, FlagShop], sandbox: Cluster, world: World
) -> None:
    _, shop = http
    await delivery.install(sandbox, "rolling")
    service = ServiceEntry.model_validate(
        {
            **shop.service.model_dump(mode="json", by_alias=True),
            "metrics": {"namespace": "shop", "selector": "app=payments", "port": 8080},
        }
    )
    chosen = strategy("feature-flag")
    instances = await chosen.instances(service, world)
    assert instances
    assert all(one.ready and one.release == "v2.0.0" for one in instances)
    saved = await chosen.evidence(service, world, release="oauth_auth on")
    assert {"flag.json", "pods.txt", "events.txt"} <= {one.name for one in saved}


def test_an_unknown_provider_is_an_error_and_not_a_silent_default() -> None:
    entry = {"strategy": "feature-flag", "flag": "oauth_auth", "provider": "other"}
    with pytest.raises(ValidationError, match="provider"):
        ServiceEntry.model_validate({"rollback": [entry]})


def test_the_example_of_the_documentation_is_valid() -> None:
    text = (ROOT / "docs" / "strategies" / "feature-flag.md").read_text(encoding="utf-8")
    entry = yaml.safe_load(text.split("```yaml")[1].split("```")[0])
    target = ServiceEntry.model_validate(entry).rollback[0]
    assert target.strategy == "feature-flag"


# The procedure's own API.


async def test_the_procedures_request_is_sent_as_it_stands_in_the_procedure(
    http: tuple[HttpApi, FlagShop],
) -> None:
    flags, shop = http
    plan = await shop.plan()
    assert '{"flag":"oauth_auth","enabled":false,"percentage":0}' in plan.steps[0].command
    assert '"Authorization: Bearer $FLAG_TOKEN"' in plan.steps[0].command
    await shop.run_all(plan)
    assert flags.flags["oauth_auth"]["percentage"] == 0


async def test_a_change_between_looking_and_switching_is_refused_by_the_etag(
    http: tuple[HttpApi, FlagShop],
) -> None:
    flags, shop = http
    flags.fault("POST", 412, body={"message": "The flag was changed"})
    with pytest.raises(WorldMovedError, match="412: The flag was changed"):
        await shop.run((await shop.plan()).steps[0])


async def test_the_paths_and_the_header_of_the_api_are_the_catalogs(
    http: tuple[HttpApi, FlagShop],
) -> None:
    _, shop = http
    moved = shop.with_target(read_path="/v2/flags/{flag}", header="X-Key", scheme="")
    with pytest.raises(Exception, match="does not accept the token"):
        await moved.plan()
    with pytest.raises(NotFoundError, match="/v2/flags/oauth_auth"):
        await shop.with_target(read_path="/v2/flags/{flag}").plan()


# Unleash.


async def test_unleash_strategies_are_kept_and_come_back(
    unleash: tuple[UnleashServer, FlagShop],
) -> None:
    flags, shop = unleash
    plan = await shop.plan()
    assert plan.steps[0].command.endswith("/features/oauth_auth/environments/production/off'")
    assert plan.not_reversible == ()
    await shop.run_all(plan)
    assert flags.state == (False, [flags.strategies[0]])


async def test_unleash_without_an_active_strategy_would_get_one_by_an_undo_and_the_plan_says_so(
    unleash: tuple[UnleashServer, FlagShop],
) -> None:
    flags, shop = unleash
    flags.strategies[0]["disabled"] = True
    assert "adds a default one" in (await shop.plan()).not_reversible[0]


async def test_unleash_without_the_permission_is_blocked_before_anything_is_changed(
    unleash: tuple[UnleashServer, FlagShop],
) -> None:
    flags, shop = unleash
    flags.permissions[0]["environment"] = "development"
    assert found(await shop.plan(), "Rights").verdict is BLOCK


async def test_unleash_shows_an_archived_flag_and_one_of_another_project_but_the_plan_refuses_them(
    unleash: tuple[UnleashServer, FlagShop],
) -> None:
    flags, shop = unleash
    with pytest.raises(NotFoundError, match="404: Could not find feature flag"):
        await shop.with_target(project="default").plan()
    flags.archived = True
    with pytest.raises(NotFoundError, match="404: Could not find feature flag"):
        await shop.plan()


async def test_unleash_change_requests_that_wait_are_named(
    unleash: tuple[UnleashServer, FlagShop],
) -> None:
    flags, shop = unleash
    flags.change_requests = [31]
    assert "#31" in found(await shop.plan(), "Change requests").sentence


async def test_unleash_that_requires_change_requests_refuses_with_the_remedy(
    unleash: tuple[UnleashServer, FlagShop],
) -> None:
    flags, shop = unleash
    flags.fault("POST", 403, body={"name": "NoAccessError", "message": "Change requests enabled"})
    with pytest.raises(PermanentError, match="skip change requests"):
        await shop.run((await shop.plan()).steps[0])


async def test_unleash_change_requests_block_a_token_that_may_not_skip_them(
    unleash: tuple[UnleashServer, FlagShop],
) -> None:
    flags, shop = unleash
    assert found(await shop.plan(), "Change requests").verdict is PASS
    flags.approvals = False
    assert found(await shop.plan(), "Change requests").verdict is PASS
    flags.approvals = True
    check = found(await shop.plan(), "Change requests")
    assert check.verdict is BLOCK
    assert "no permission SKIP_CHANGE_REQUEST" in check.sentence
    skip = {"permission": "SKIP_CHANGE_REQUEST", "project": "web", "environment": "production"}
    flags.permissions.append(skip)
    plan = await shop.plan()
    assert found(plan, "Change requests").verdict is PASS
    await shop.run(plan.steps[0])
    assert not flags.is_on


async def test_unleash_that_does_not_tell_of_change_requests_is_warned_about(
    unleash: tuple[UnleashServer, FlagShop],
) -> None:
    flags, shop = unleash
    flags.approvals = True
    path = "/api/admin/projects/web/change-requests/"
    flags.fault("GET", 500, path=path, body={"message": "down"})
    assert "Not checked" in found(await shop.plan(), "Change requests").sentence
    flags.fault("GET", 403, path="/api/admin/user", body={"message": "no"})
    check = found(await shop.plan(), "Change requests")
    assert check.verdict is WARN
    assert "answers 403 unless" in check.sentence


async def test_unleash_events_that_cannot_be_read_cost_the_name_but_not_the_rollback(
    unleash: tuple[UnleashServer, FlagShop],
) -> None:
    flags, shop = unleash
    for _ in range(20):
        flags.fault("GET", 403, path="/api/admin/events/", body={"message": "no"})
    plan = await shop.plan()
    flags.faults.clear()
    await shop.run_all(plan)
    assert not flags.is_on


# LaunchDarkly.


async def test_launchdarkly_is_patched_with_the_semantic_content_type_and_a_comment(
    launchdarkly: tuple[LaunchDarklyServer, FlagShop],
) -> None:
    _, shop = launchdarkly
    command = (await shop.plan()).steps[0].command
    assert "Content-Type: application/json; domain-model=launchdarkly.semanticpatch" in command
    assert '"instructions":[{"kind":"turnFlagOff"}]' in command
    assert '"environmentKey":"production"' in command
    assert '"Authorization: $FLAG_TOKEN"' in command


async def test_launchdarkly_off_that_serves_an_unsafe_variation_is_blocked(
    launchdarkly: tuple[LaunchDarklyServer, FlagShop],
) -> None:
    flags, shop = launchdarkly
    flags.environment["offVariation"] = 0
    check = found(await shop.plan(), "Off variation")
    assert check.verdict is BLOCK
    assert "everybody gets true, but the safe variation is false" in check.sentence
    assert (await shop.with_target(safe_variation=True).plan()).is_safe


async def test_launchdarkly_without_an_off_variation_is_warned_about(
    launchdarkly: tuple[LaunchDarklyServer, FlagShop],
) -> None:
    flags, shop = launchdarkly
    flags.environment["offVariation"] = None
    assert "default of the code" in found(await shop.plan(), "Off variation").sentence


async def test_launchdarkly_schedules_and_approvals_that_wait_are_counted(
    launchdarkly: tuple[LaunchDarklyServer, FlagShop],
) -> None:
    flags, shop = launchdarkly
    flags.scheduled = [{"_id": "c1"}]
    states = ("pending", "scheduled", "completed", "failed")
    flags.approvals = [{"_id": state, "status": state} for state in states]
    check = found(await shop.plan(), "Approvals and schedules")
    assert check.verdict is WARN
    assert "2 approval requests and 1 scheduled changes" in check.sentence


async def test_launchdarkly_that_lists_only_half_of_what_waits_is_not_called_clear(
    launchdarkly: tuple[LaunchDarklyServer, FlagShop],
) -> None:
    flags, shop = launchdarkly
    place = "/api/v2/projects/web/flags/oauth_auth/environments/production"
    flags.fault("GET", 403, path=f"{place}/scheduled-changes", body={"message": "no"})
    check = found(await shop.plan(), "Approvals and schedules")
    assert check.verdict is WARN
    assert "Not checked" in check.sentence


async def test_launchdarkly_answers_400_to_a_conflict_with_a_schedule_and_nothing_is_changed(
    launchdarkly: tuple[LaunchDarklyServer, FlagShop],
) -> None:
    flags, shop = launchdarkly
    flags.scheduled = [{"_id": "c1"}]
    with pytest.raises(PermanentError, match="400: This change would conflict with pending"):
        await shop.run((await shop.plan()).steps[0])
    assert flags.is_on


async def test_launchdarkly_answers_405_where_approvals_are_required_and_the_plan_says_so_before(
    launchdarkly: tuple[LaunchDarklyServer, FlagShop],
) -> None:
    flags, shop = launchdarkly
    flags.approval_settings = {"required": True, "requiredApprovalTags": []}
    plan = await shop.plan()
    assert found(plan, "Required approvals").verdict is WARN
    with pytest.raises(PermanentError, match="405: Approval is required"):
        await shop.run(plan.steps[0])


async def test_launchdarkly_answers_409_to_two_writers_at_once_and_it_is_a_conflict(
    launchdarkly: tuple[LaunchDarklyServer, FlagShop],
) -> None:
    flags, shop = launchdarkly
    flags.fault("PATCH", 409, body={"code": "conflict", "message": "Optimistic lock failed"})
    with pytest.raises(WorldMovedError, match="409: Optimistic lock failed"):
        await shop.run((await shop.plan()).steps[0])


async def test_launchdarkly_rights_that_are_denied_block_the_plan(
    launchdarkly: tuple[LaunchDarklyServer, FlagShop],
) -> None:
    flags, shop = launchdarkly
    flags.environment["_access"] = {"allowed": [], "denied": [{"action": "updateOn"}]}
    assert found(await shop.plan(), "Rights").verdict is BLOCK


# Flagsmith.


async def test_flagsmith_overrides_that_stay_on_are_named(
    flagsmith: tuple[FlagsmithServer, FlagShop],
) -> None:
    flags, shop = flagsmith
    assert found(await shop.plan(), "Overrides").verdict is PASS
    flags.segments = [("beta", True), ("staff", False)]
    flags.identities = [("alice", True)]
    flags.edge = [("bob", True)]
    check = found(await shop.plan(), "Overrides")
    assert check.verdict is WARN
    assert "stays on for segment beta, identity alice, identity bob:" in check.sentence
    assert "staff" not in check.sentence


async def test_flagsmith_overrides_at_the_edge_that_cannot_be_read_are_not_called_none(
    flagsmith: tuple[FlagsmithServer, FlagShop],
) -> None:
    flags, shop = flagsmith
    flags.edge = [("bob", True)]
    path = f"/api/v1/environments/{flags.environment['api_key']}/edge-identity-overrides"
    flags.fault("GET", 403, path=path, body={"detail": "no"})
    check = found(await shop.plan(), "Overrides")
    assert check.verdict is WARN
    assert "Not checked" in check.sentence


async def test_flagsmith_with_feature_versioning_is_changed_by_a_new_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flags = FlagsmithServer(versioning=True)
    async with opened(flags, monkeypatch) as shop:
        plan = await shop.plan()
        before = flags.state
        await shop.run_all(plan)
        assert flags.changes[0].endswith("/update-flag-v1/")
        await shop.undo(plan)
        assert flags.state == before


async def test_flagsmith_with_options_is_undone_although_every_version_names_them_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flags = FlagsmithServer(versioning=True)
    flags.feature_state["multivariate_feature_state_values"] = [
        {"id": 5, "multivariate_feature_option": 2, "percentage_allocation": 30.0},
        {"id": 6, "multivariate_feature_option": 1, "percentage_allocation": 70.0},
    ]
    async with opened(flags, monkeypatch) as shop:
        plan = await shop.plan()
        await shop.run_all(plan)
        await shop.undo(plan)
        assert flags.is_on


async def test_a_flagsmith_that_takes_no_change_without_a_value_gets_the_one_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flags = FlagsmithServer(versioning=True)
    flags.wants_value = True
    async with opened(flags, monkeypatch) as shop:
        plan = await shop.plan()
        await shop.run(plan.steps[0])
        assert flags.state == (False, "oidc")


async def test_a_flagsmith_too_old_to_change_a_versioned_environment_is_warned_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flags = FlagsmithServer(versioning=True)
    async with opened(flags, monkeypatch) as shop:
        assert all(one.name != "Feature versioning" for one in (await shop.plan()).preflights)
        flags.fault("GET", 404, path="/api/experiments/", body={"detail": "Not found."})
        check = found(await shop.plan(), "Feature versioning")
        assert check.verdict is WARN
        assert "Update it" in check.sentence


async def test_flagsmith_that_takes_only_change_requests_is_blocked(
    flagsmith: tuple[FlagsmithServer, FlagShop],
) -> None:
    flags, shop = flagsmith
    flags.environment["minimum_change_request_approvals"] = 2
    assert "2 approvals" in found(await shop.plan(), "Change requests").sentence
    assert [one.name for one in (await shop.plan()).blocks] == ["Change requests"]


async def test_flagsmith_without_the_permission_is_blocked(
    flagsmith: tuple[FlagsmithServer, FlagShop],
) -> None:
    flags, shop = flagsmith
    flags.permissions = ["VIEW_ENVIRONMENT"]
    assert found(await shop.plan(), "Rights").verdict is BLOCK


# AWS AppConfig.


async def test_an_appconfig_deployment_in_progress_is_stopped_and_its_end_awaited(
    appconfig: tuple[AppConfigServer, FlagShop],
) -> None:
    flags, shop = appconfig
    flags.deployments.pop(0)
    flags.deploy("2", state="DEPLOYING", ago=timedelta(minutes=5))
    plan = await shop.plan()
    assert "in progress" in found(plan, "Time to revert").sentence
    assert "everybody" in plan.not_reversible[0]
    await shop.run_all(plan)
    assert flags.deployments[0]["State"] == "ROLLED_BACK"
    assert not flags.is_on


async def test_an_appconfig_deployment_completed_72_hours_ago_cannot_be_reverted_any_more(
    appconfig: tuple[AppConfigServer, FlagShop],
) -> None:
    flags, shop = appconfig
    flags.deployments.pop(0)
    flags.deploy("2", state="COMPLETE", ago=timedelta(hours=73))
    check = found(await shop.plan(), "Time to revert")
    assert check.verdict is BLOCK
    assert "72 hours" in check.sentence
    with pytest.raises(PermanentError, match="too old"):
        await shop.run((await shop.plan()).steps[0])


async def test_an_appconfig_deployment_about_to_pass_72_hours_is_warned_about(
    appconfig: tuple[AppConfigServer, FlagShop],
) -> None:
    flags, shop = appconfig
    flags.deployments.pop(0)
    flags.deploy("2", state="COMPLETE", ago=timedelta(hours=71, minutes=30))
    assert found(await shop.plan(), "Time to revert").verdict is WARN


async def test_an_appconfig_revert_to_a_configuration_with_the_flag_on_is_blocked(
    appconfig: tuple[AppConfigServer, FlagShop],
) -> None:
    flags, shop = appconfig
    flags.deploy("3", state="COMPLETE", ago=timedelta(minutes=1))
    check = found(await shop.plan(), "Earlier configuration")
    assert check.verdict is BLOCK
    assert "has the flag on too" in check.sentence


async def test_an_appconfig_revert_to_a_configuration_from_before_the_flag_is_off_and_undone(
    appconfig: tuple[AppConfigServer, FlagShop],
) -> None:
    flags, shop = appconfig
    flags.versions["1"] = None
    plan = await shop.plan()
    assert found(plan, "Earlier configuration").verdict is WARN
    await shop.run_all(plan)
    assert flags.state == "1"
    inverse = plan.steps[0].inverse
    assert inverse is not None
    await shop.run(taken_back(plan.steps[0], inverse))
    assert flags.is_on


async def test_an_appconfig_configuration_that_never_knew_the_flag_is_a_mistake_of_the_catalog(
    appconfig: tuple[AppConfigServer, FlagShop],
) -> None:
    flags, shop = appconfig
    flags.versions["2"] = None
    with pytest.raises(PermanentError, match="has no flag oauth_auth"):
        await shop.plan()


async def test_the_first_appconfig_deployment_has_nothing_to_go_back_to(
    appconfig: tuple[AppConfigServer, FlagShop],
) -> None:
    flags, shop = appconfig
    flags.deployments.clear()
    flags.deploy("2", state="COMPLETE", ago=timedelta(minutes=1))
    assert found(await shop.plan(), "Earlier configuration").verdict is BLOCK


async def test_an_appconfig_deployment_that_was_rolled_back_already_cannot_be_reverted_twice(
    appconfig: tuple[AppConfigServer, FlagShop],
) -> None:
    flags, shop = appconfig
    flags.deploy("3", state="ROLLED_BACK", ago=timedelta(minutes=3))
    check = found(await shop.plan(), "Time to revert")
    assert check.verdict is BLOCK
    assert "Deployment 3 was rolled back already" in check.sentence


async def test_appconfig_rights_that_iam_denies_block_and_those_it_does_not_tell_warn(
    appconfig: tuple[AppConfigServer, FlagShop], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags, shop = appconfig
    assert found(await shop.plan(), "Rights").verdict is PASS
    flags.may = {"appconfig:StopDeployment": "implicitDeny"}
    check = found(await shop.plan(), "Rights")
    assert check.verdict is BLOCK
    assert "may not appconfig:StopDeployment. Grant it" in check.sentence
    flags.may = None
    assert found(await shop.plan(), "Rights").verdict is WARN
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    check = found(await shop.with_target(region=None).plan(), "Rights")
    assert check.verdict is WARN
    assert "names no region" in check.sentence


async def test_appconfig_rights_are_asked_as_the_policy_in_deploy_grants_them(
    appconfig: tuple[AppConfigServer, FlagShop],
) -> None:
    flags, shop = appconfig
    await shop.plan()
    policy = json.loads((ROOT / "deploy/iam/appconfig.json").read_text(encoding="utf-8"))
    [statement] = [one for one in policy["Statement"] if one["Sid"] == "StopOrRevertAndUndo"]
    assert {action for action, _ in flags.simulated} == set(statement["Action"])
    for action, arn in flags.simulated:
        granted = any(fnmatchcase(arn, pattern) for pattern in statement["Resource"])
        assert granted, f"{action} on {arn}"


async def test_an_appconfig_undo_stops_at_another_deployment(
    appconfig: tuple[AppConfigServer, FlagShop],
) -> None:
    flags, shop = appconfig
    plan = await shop.plan()
    await shop.run_all(plan)
    flags.deploy("3", state="COMPLETE", ago=timedelta(0))
    inverse = plan.steps[0].inverse
    assert inverse is not None
    step = taken_back(plan.steps[0], inverse)
    assert (await step_kind(inverse.kind).observe(step, shop.world)).state is StepState.OTHER
