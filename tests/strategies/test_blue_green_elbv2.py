"""Blue-green on AWS ELBv2, against moto's server over HTTP."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bot.clouds.aws import BotoAws
from bot.core.errors import (
    ConfigurationError,
    OutcomeUnknownError,
    PermanentError,
    RefusedError,
    WorldMovedError,
)
from bot.engine.world import StepState
from bot.incident.plan import Milestone, Plan, PreflightVerdict
from strategies.blue_green_elbv2.listener import Elbv2Target, same
from strategies.common.aws import check_actions, check_ownership
from strategies.registry import step_kind, strategy
from tests.strategies.elbv2_aws import REGION, SOMEBODY
from tests.strategies.elbv2_shop import COGNITO, OIDC, AwsShop, weighted
from tests.strategies.support import preflight

POLICY = Path(__file__).parents[2] / "deploy" / "iam" / "elbv2.json"
BLOCK, WARN, PASS = PreflightVerdict.BLOCK, PreflightVerdict.WARN, PreflightVerdict.PASS
ATTACH, HEALTHY, SWITCH, DRAIN = range(4)


@pytest.fixture
def shop(listener_shop: AwsShop) -> AwsShop:
    """Green is live by a listener's default action."""
    return listener_shop


@pytest.fixture
def either(either_place: AwsShop) -> AwsShop:
    """Green is live, by a listener's default action or by a rule."""
    return either_place


def reloaded(plan: Plan) -> Plan:
    """The plan as another process reads it from the journal."""
    return Plan.model_validate_json(plan.model_dump_json())


def sabotage(shop: AwsShop) -> None:
    """Somebody else splits the traffic."""
    shop.modify(weighted({shop.groups["green"]: 70, shop.groups["blue"]: 30}))


# What every strategy promises


async def test_the_live_release_and_where_one_can_go_are_observed(shop: AwsShop) -> None:
    observed = await strategy("blue-green-elbv2").observe(shop.service, shop.world)
    assert observed.live_release == "v2.1.0"
    assert [one.release for one in observed.candidates] == ["v2.0.0"]
    assert "green 1: v2.1.0, 3 of 3 targets healthy" in observed.summary


async def test_the_plan_attaches_waits_switches_and_waits_for_the_drain(shop: AwsShop) -> None:
    plan = await shop.plan()
    assert plan.is_safe, plan.blocks
    assert (plan.from_release, plan.to_release) == ("v2.1.0", "v2.0.0")
    assert [step.action.kind for step in plan.steps] == [
        "elbv2-forward",
        "elbv2-await-healthy",
        "elbv2-forward",
        "elbv2-await-drain",
    ]
    milestones = [step.milestone for step in plan.steps if step.milestone]
    assert milestones == [Milestone.SWITCHED, Milestone.DRAINED]
    assert all(step.inverse for step in plan.steps if step.changes)
    assert reloaded(plan).hash == plan.hash == (await shop.plan()).hash


async def test_running_the_plan_sends_all_requests_to_the_target(either: AwsShop) -> None:
    said = await either.run_all(await either.plan())
    assert either.weights() == {"green": 0, "blue": 1}
    assert f"{either.aws.beside}/version answers with v2.0.0" in said[SWITCH]
    instances = await strategy("blue-green-elbv2").instances(either.service, either.world)
    assert [(one.release, one.ready) for one in instances] == [("v2.0.0", True)] * 3


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_answer_to_the_change_is_found_out_by_looking(
    shop: AwsShop, when: str
) -> None:
    step = (await shop.plan()).steps[ATTACH]
    kind = step_kind(step.action.kind)
    shop.aws.faults["ModifyListener"] = when
    with pytest.raises(OutcomeUnknownError):
        await kind.act(step, shop.world)
    observed = await kind.observe(step, shop.world)
    assert observed.state == ("after" if when == "after" else "before")
    assert shop.aws.writes() == ["ModifyListener"]


async def test_somebody_elses_change_before_the_step_stops_it_and_is_named(
    rule_shop: AwsShop,
) -> None:
    step = (await rule_shop.plan()).steps[ATTACH]
    sabotage(rule_shop)
    observed = await step_kind(step.action.kind).observe(step, rule_shop.world)
    assert observed.state is StepState.OTHER
    assert SOMEBODY in observed.changed_by
    assert "weights green 70, blue 30" in observed.summary
    with pytest.raises(WorldMovedError, match=r"sam@example\.com"):
        await step_kind(step.action.kind).act(step, rule_shop.world)
    assert rule_shop.weights() == {"green": 70, "blue": 30}


async def test_a_change_behind_the_bots_back_while_it_waits_is_named(shop: AwsShop) -> None:
    step = (await shop.plan()).steps[ATTACH]
    kind = step_kind(step.action.kind)
    await kind.act(step, shop.world)
    sabotage(shop)
    with pytest.raises(WorldMovedError, match=r"sam@example\.com"):
        await kind.confirm(step, shop.world)


async def test_a_change_that_cloudtrail_does_not_show_yet_is_somebodys(shop: AwsShop) -> None:
    step = (await shop.plan()).steps[ATTACH]
    sabotage(shop)
    shop.aws.trail.clear()
    observed = await step_kind(step.action.kind).observe(step, shop.world)
    assert "CloudTrail does not show it yet" in observed.changed_by


# The target


async def test_the_release_is_the_groups_tag_else_its_name(shop: AwsShop) -> None:
    service = shop.entry(version_tag="build")
    shop.tag(shop.groups["green"], build="7f3a")
    observed = await strategy("blue-green-elbv2").observe(service, shop.world)
    assert observed.live_release == "7f3a"
    assert [one.release for one in observed.candidates] == ["shop-blue"]


async def test_going_to_the_live_release_is_nothing_to_do(shop: AwsShop) -> None:
    for name in ("v2.1.0", "green", shop.groups["green"]):
        with pytest.raises(RefusedError, match="Nothing to do"):
            await shop.plan(name)


async def test_a_release_marked_bad_is_never_the_default_and_blocked_by_name(
    shop: AwsShop,
) -> None:
    bad = frozenset({"v2.0.0", "v2.1.0"})
    with pytest.raises(RefusedError, match="marked bad"):
        await shop.plan(bad=bad)
    assert [one.name for one in (await shop.plan("blue", bad=bad)).blocks] == ["Target release"]


async def test_a_missing_target_group_is_no_candidate(shop: AwsShop) -> None:
    gone = shop.groups["blue"].replace("shop-blue", "shop-gone")
    shop.groups = {"green": shop.groups["green"], "blue": gone}
    with pytest.raises(RefusedError, match=r"no other release than v2\.1\.0"):
        await shop.plan()


async def test_a_group_that_serves_but_is_not_in_the_catalog_is_named(shop: AwsShop) -> None:
    shop.modify(weighted({shop.groups["green"]: 50, shop.other_group: 50}))
    with pytest.raises(ConfigurationError, match="targetgroup/static"):
        await shop.plan()


async def test_a_listener_that_only_redirects_cannot_be_switched(shop: AwsShop) -> None:
    redirect = {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Port": "443"}}
    shop.modify(redirect)
    with pytest.raises(ConfigurationError, match=r"does not forward.*redirect"):
        await shop.plan()


async def test_the_default_rule_is_changed_through_its_listener(shop: AwsShop) -> None:
    rules = shop.aws.client("elbv2").describe_rules(ListenerArn=shop.listener)["Rules"]
    default = next(one["RuleArn"] for one in rules if one["IsDefault"])
    plan = await shop.plan(service=shop.entry(listener_arn=None, rule_arn=default))
    assert plan.observed["place"] == shop.listener
    await shop.run_all(plan)
    assert set(shop.aws.writes()) == {"ModifyListener"}
    assert shop.weights() == {"green": 0, "blue": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule_arn": "same"}, "either listener_arn or rule_arn"),
        ({"listener_arn": None}, "either listener_arn or rule_arn"),
        ({"region": "us-east-1"}, "not in region us-east-1"),
        ({"target_groups": {}}, "at least 2"),
        ({"listener_arn": "network"}, "listener_arn"),
    ],
)
def test_a_catalog_entry_that_contradicts_itself_is_refused(
    change: dict[str, Any], message: str
) -> None:
    base = f"arn:aws:elasticloadbalancing:{REGION}:123456789012:"
    entry = {
        "strategy": "blue-green-elbv2",
        "region": REGION,
        "listener_arn": f"{base}listener/app/shop/1/2",
        "target_groups": {"a": f"{base}targetgroup/a/1", "b": f"{base}targetgroup/b/2"},
    }
    if change.get("listener_arn") == "network":
        change = {"listener_arn": f"{base}listener/net/shop/1/2"}
    if "rule_arn" in change:
        change = {"rule_arn": f"{base}listener-rule/app/shop/1/2/3"}
    with pytest.raises(ValidationError, match=message):
        Elbv2Target.model_validate({**entry, **change})


# Health


async def test_a_target_group_not_in_use_is_attached_with_weight_0_first(shop: AwsShop) -> None:
    plan = await shop.plan()
    found = preflight(plan, "Target health")
    assert found.verdict is WARN
    assert "none of its 3 targets has ever been health-checked" in found.sentence
    await shop.run(plan.steps[ATTACH])
    assert shop.weights() == {"green": 1, "blue": 0}
    assert shop.aws.served_release() == "v2.1.0"


async def test_an_attached_group_is_awaited_until_enough_targets_are_healthy(
    shop: AwsShop,
) -> None:
    plan = await shop.plan()
    await shop.run(plan.steps[ATTACH])
    shop.health("blue", *[("initial", "Elb.InitialHealthChecking")] * 3)

    def pass_their_checks(_: Any) -> None:
        shop.health("blue", *[("healthy", "")] * 3)

    shop.clock.meanwhile.append(pass_their_checks)
    assert "blue has 3 healthy targets of 3" in await shop.run(plan.steps[HEALTHY])


async def test_an_unhealthy_target_group_is_never_switched_to(shop: AwsShop) -> None:
    plan = await shop.plan()
    await shop.run(plan.steps[ATTACH])
    shop.health("blue", ("healthy", ""), *[("unhealthy", "Target.Timeout")] * 2)
    with pytest.raises(PermanentError, match=r"1 healthy targets of 3.*Target\.Timeout"):
        await shop.run(plan.steps[HEALTHY])
    assert shop.weights() == {"green": 1, "blue": 0}


async def test_targets_that_were_stopped_end_the_wait_at_once(shop: AwsShop) -> None:
    plan = await shop.plan()
    await shop.run(plan.steps[ATTACH])
    shop.health("blue", *[("unused", "Target.InvalidState")] * 3)
    before = shop.clock.now()
    with pytest.raises(PermanentError, match=r"too few are left.*Target\.InvalidState"):
        await shop.run(plan.steps[HEALTHY])
    assert shop.clock.now() == before


async def test_a_load_balancer_fails_open_so_a_group_without_healthy_targets_blocks(
    shop: AwsShop,
) -> None:
    shop.modify(weighted({shop.groups["green"]: 1, shop.groups["blue"]: 0}))
    shop.health("blue", *[("unhealthy", "Target.ResponseCodeMismatch")] * 3)
    found = preflight(await shop.plan(), "Target health")
    assert found.verdict is BLOCK
    assert "would send requests to all of them" in found.sentence


async def test_fewer_healthy_targets_than_the_live_group_has_block(shop: AwsShop) -> None:
    shop.modify(weighted({shop.groups["green"]: 1, shop.groups["blue"]: 0}))
    shop.health("blue", ("unhealthy", "Target.Timeout"))
    found = preflight(await shop.plan(), "Target health")
    assert found.verdict is BLOCK
    assert "blue has 2 healthy targets, green has 3" in found.sentence


async def test_a_live_group_that_is_unhealthy_itself_tells_no_capacity(shop: AwsShop) -> None:
    shop.modify(weighted({shop.groups["green"]: 1, shop.groups["blue"]: 0}))
    shop.health("green", *[("unhealthy", "Target.Timeout")] * 3)
    found = preflight(await shop.plan(), "Target health")
    assert found.verdict is WARN
    assert "nobody can tell how many" in found.sentence


async def test_a_group_with_too_few_registered_targets_blocks(shop: AwsShop) -> None:
    shop.aws.client("elbv2").deregister_targets(
        TargetGroupArn=shop.groups["blue"], Targets=[{"Id": "10.0.0.11"}, {"Id": "10.0.0.12"}]
    )
    found = preflight(await shop.plan(), "Target health")
    assert found.verdict is BLOCK
    assert "blue has 1 target that may be healthy" in found.sentence


async def test_an_attached_healthy_group_needs_no_attach_step(shop: AwsShop) -> None:
    shop.modify(weighted({shop.groups["green"]: 100, shop.groups["blue"]: 0}))
    plan = await shop.plan()
    assert preflight(plan, "Target health").verdict is PASS
    assert len(plan.steps) == 3
    await shop.run_all(plan)
    assert shop.weights() == {"green": 0, "blue": 100}


# Actions


async def test_target_group_stickiness_is_switched_off_in_the_same_call(shop: AwsShop) -> None:
    shop.modify(weighted({shop.groups["green"]: 1, shop.groups["blue"]: 0}, sticky=3600))
    before, plan = shop.aws.actions(), await shop.plan()
    assert preflight(plan, "Stickiness").verdict is WARN
    await shop.run_all(plan)
    assert shop.aws.writes() == ["ModifyListener"]
    config = shop.aws.actions()[0]["ForwardConfig"]
    assert config["TargetGroupStickinessConfig"]["Enabled"] is False
    await shop.undo(plan)
    assert same(shop.aws.actions(), before)
    restored = shop.aws.actions()[0]["ForwardConfig"]["TargetGroupStickinessConfig"]
    assert restored == {"Enabled": True, "DurationSeconds": 3600}


async def test_groups_with_sticky_targets_end_with_the_target_alone(shop: AwsShop) -> None:
    """AWS refuses several groups without group stickiness then; moto would accept it."""
    shop.aws.client("elbv2").modify_target_group_attributes(
        TargetGroupArn=shop.groups["green"],
        Attributes=[{"Key": "stickiness.enabled", "Value": "true"}],
    )
    before, plan = shop.aws.actions(), await shop.plan()
    assert preflight(plan, "Stickiness").verdict is WARN
    await shop.run(plan.steps[ATTACH])
    attached = shop.aws.actions()[0]["ForwardConfig"]
    assert attached["TargetGroupStickinessConfig"] == {"Enabled": True, "DurationSeconds": 1}
    await shop.run_all(plan.model_copy(update={"steps": plan.steps[HEALTHY:]}))
    assert shop.weights() == {"blue": 1}
    await shop.undo(plan)
    assert same(shop.aws.actions(), before)


async def test_the_other_actions_and_their_order_are_kept(rule_shop: AwsShop) -> None:
    forward = {"Type": "forward", "Order": 2, "TargetGroupArn": rule_shop.groups["green"]}
    rule_shop.modify(COGNITO, forward)
    plan = await rule_shop.plan()
    await rule_shop.run_all(plan)
    kept, switched = rule_shop.aws.actions()
    assert kept == COGNITO
    assert (switched["Type"], switched["Order"]) == ("forward", 2)


async def test_an_oidc_client_secret_is_kept_by_aws_and_seen_nowhere(rule_shop: AwsShop) -> None:
    """AWS does not show the secret, and takes the action back only with a flag instead of it."""
    forward = {"Type": "forward", "Order": 2, "TargetGroupArn": rule_shop.groups["green"]}
    rule_shop.modify(OIDC, forward)
    plan = await rule_shop.plan()
    evidence = await strategy("blue-green-elbv2").evidence(
        rule_shop.service, rule_shop.world, release="v2.1.0"
    )
    everything = plan.model_dump_json() + plan.script() + "".join(one.text for one in evidence)
    assert "not-for-anybodys-eyes" not in everything
    await rule_shop.run_all(plan)
    sent = rule_shop.aws.actions()[0]["AuthenticateOidcConfig"]
    given = dict(OIDC["AuthenticateOidcConfig"])
    del given["ClientSecret"]
    assert sent == {**given, "UseExistingClientSecret": True}


async def test_a_rule_keeps_its_conditions_and_priority(rule_shop: AwsShop) -> None:
    def described() -> dict[str, Any]:
        rules = rule_shop.aws.client("elbv2").describe_rules(RuleArns=[rule_shop.rule])["Rules"]
        return {k: v for k, v in rules[0].items() if k != "Actions"}

    before = described()
    await rule_shop.run_all(await rule_shop.plan())
    assert described() == before


async def test_a_split_left_behind_is_told_and_its_larger_part_can_be_the_goal(
    shop: AwsShop,
) -> None:
    shop.modify(weighted({shop.groups["blue"]: 90, shop.groups["green"]: 10}))
    plan = await shop.plan("v2.0.0")
    assert (plan.from_release, plan.to_release) == ("v2.1.0", "v2.0.0")
    found = preflight(plan, "Traffic split")
    assert found.verdict is WARN
    assert "blue (v2.0.0) 90, green (v2.1.0) 10" in found.sentence
    await shop.run_all(plan)
    assert shop.weights() == {"blue": 100, "green": 0}


async def test_all_weights_at_zero_mean_that_nothing_is_live(shop: AwsShop) -> None:
    shop.modify(weighted({shop.groups["blue"]: 0, shop.groups["green"]: 0}))
    with pytest.raises(PermanentError, match="All weights"):
        await shop.plan()


async def test_the_same_weights_written_in_another_way_are_no_conflict(shop: AwsShop) -> None:
    step = (await shop.plan()).steps[ATTACH]
    shop.modify(weighted({shop.groups["green"]: 5}, Order=1))
    observed = await step_kind(step.action.kind).observe(step, shop.world)
    assert observed.state is StepState.BEFORE


async def test_the_command_is_the_call_that_the_bot_makes(either: AwsShop) -> None:
    plan = await either.plan()
    command = plan.steps[SWITCH].command
    name = "modify-listener --listener-arn" if either.kind == "listener" else "modify-rule --rule"
    assert command.startswith(f"aws --region {REGION} elbv2 {name}")
    assert json.loads(command.split("'")[1]) == plan.steps[SWITCH].action.params["new"]


# What is around it


async def test_other_rules_that_forward_to_the_live_group_are_named(shop: AwsShop) -> None:
    shop.aws.client("elbv2").modify_rule(
        RuleArn=shop.rule, Actions=[{"Type": "forward", "TargetGroupArn": shop.groups["green"]}]
    )
    found = preflight(await shop.plan(), "Other rules")
    assert found.verdict is WARN
    assert "port 80, rule with priority 10" in found.sentence


async def test_a_tool_that_owns_the_listener_will_undo_the_rollback(shop: AwsShop) -> None:
    # Only AWS itself may set tags that begin with aws:, so moto's own store is written to.
    tags = [{"Key": "aws:cloudformation:stack-name", "Value": "shop-prod"}]
    shop.aws.backend.tagging_service.tag_resource(shop.listener, tags)
    found = preflight(await shop.plan(), "Infrastructure as code")
    assert found.verdict is WARN
    assert "CloudFormation stack shop-prod" in found.sentence


@pytest.mark.parametrize(
    ("tags", "owner"),
    [
        ({"managed-by": "Terraform"}, "Terraform"),
        ({"tool": "pulumi"}, "Pulumi"),
        ({"elbv2.k8s.aws/cluster": "prod"}, "AWS Load Balancer Controller of cluster prod"),
    ],
)
def test_tools_are_known_by_the_tags_that_they_or_their_teams_set(
    tags: dict[str, str], owner: str
) -> None:
    found = check_ownership({"arn:…": tags}, "the listener")
    assert found.verdict is WARN
    assert owner in found.sentence


async def test_a_group_of_another_load_balancer_blocks(shop: AwsShop) -> None:
    group = shop.aws.backend.target_groups[shop.groups["blue"]]
    group.load_balancer_arns = [shop.balancer.replace("/shop/", "/admin/")]
    found = preflight(await shop.plan(), "Target group")
    assert found.verdict is BLOCK
    assert "another load balancer (app/admin" in found.sentence


async def test_a_group_in_another_network_blocks(shop: AwsShop) -> None:
    shop.aws.backend.target_groups[shop.groups["blue"]].vpc_id = "vpc-elsewhere"
    assert preflight(await shop.plan(), "Target group").verdict is BLOCK


async def test_a_failed_load_balancer_blocks(shop: AwsShop) -> None:
    shop.aws.backend.load_balancers[shop.balancer].state = "failed"
    assert preflight(await shop.plan(), "Load balancer").verdict is BLOCK


@pytest.mark.parametrize(
    ("decision", "verdict", "words"),
    [
        ("allowed", PASS, "may elasticloadbalancing:Modify"),
        ("implicitDeny", BLOCK, "may not elasticloadbalancing:Modify"),
        ("conditional", WARN, "only under conditions"),
        (None, WARN, "AWS has no dry run"),
    ],
)
async def test_the_right_to_modify_is_simulated_or_said_to_be_unknown(
    shop: AwsShop, decision: str | None, verdict: PreflightVerdict, words: str
) -> None:
    shop.aws.simulation = decision
    wanted = {"elasticloadbalancing:ModifyListener": shop.listener}
    found = await check_actions(shop.world.aws, REGION, wanted)
    assert found.verdict is verdict
    assert words in found.sentence


async def test_a_session_of_a_role_is_simulated_by_the_role_with_its_path(
    shop: AwsShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = shop.aws.client("sts").assume_role(
        RoleArn="arn:aws:iam::123456789012:role/bots/rollback-bot", RoleSessionName="pod-1"
    )["Credentials"]
    for name, key in (
        ("AWS_ACCESS_KEY_ID", "AccessKeyId"),
        ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey"),
        ("AWS_SESSION_TOKEN", "SessionToken"),
    ):
        monkeypatch.setenv(name, session[key])
    wanted = {"elasticloadbalancing:ModifyListener": shop.listener}
    found = await check_actions(BotoAws(), REGION, wanted)
    assert found.verdict is PASS
    assert found.sentence.startswith("arn:aws:iam::123456789012:role/bots/rollback-bot may")


async def test_the_policy_in_deploy_allows_exactly_what_is_called(rule_shop: AwsShop) -> None:
    policy = json.loads(POLICY.read_text(encoding="utf-8"))
    allowed = {action for one in policy["Statement"] for action in one["Action"]}
    rule_shop.modify(COGNITO, {"Type": "forward", "Order": 2, **rule_shop.aws.actions()[0]})
    plan = await rule_shop.plan()
    await rule_shop.run_all(plan)
    called = {f"elasticloadbalancing:{call}" for call in rule_shop.aws.calls}
    balancing = {action for action in allowed if action.startswith("elasticloadbalancing:")}
    assert balancing - called == {
        "elasticloadbalancing:ModifyListener",  # for listeners
        "elasticloadbalancing:AddTags",  # for a deploy freeze
        "elasticloadbalancing:RemoveTags",
    }
    assert called <= balancing
    assert {
        "cloudwatch:GetMetricData",
        "cloudtrail:LookupEvents",
        "cognito-idp:DescribeUserPoolClient",
        "iam:GetRole",
        "iam:SimulatePrincipalPolicy",
    } == allowed - balancing


async def test_evidence_holds_the_actions_and_the_bad_groups_targets(shop: AwsShop) -> None:
    shop.health("green", ("unhealthy", "Target.ResponseCodeMismatch"))
    saved = await strategy("blue-green-elbv2").evidence(shop.service, shop.world, release="v2.1.0")
    texts = {one.name: one.text for one in saved}
    assert "10.0.1.11:8080 unhealthy, Target.ResponseCodeMismatch" in texts["targets.txt"]
    assert shop.groups["green"] in texts["load-balancer.json"]


async def test_cloudtrail_tells_since_when_the_live_release_serves(shop: AwsShop) -> None:
    shop.modify({"Type": "forward", "TargetGroupArn": shop.groups["green"]})
    observed = await strategy("blue-green-elbv2").observe(shop.service, shop.world)
    assert f"{observed.released_at:%H:%M}" == "11:58"


# Switched and drained


async def test_a_service_that_does_not_answer_with_the_target_is_no_success(
    shop: AwsShop,
) -> None:
    plan = await shop.plan()
    for step in plan.steps[:SWITCH]:
        await shop.run(step)
    shop.aws.client("elbv2").add_tags(
        ResourceArns=[shop.groups["blue"]], Tags=[{"Key": "version", "Value": "v1.9.0"}]
    )
    with pytest.raises(PermanentError, match=r"does not answer with v2\.0\.0.*v1\.9\.0"):
        await shop.run(plan.steps[SWITCH])


async def drained(shop: AwsShop, **figures: list[float]) -> str:
    """What the last step says when CloudWatch has these figures for the next minutes."""
    plan = await shop.plan()
    for step in plan.steps[:DRAIN]:
        await shop.run(step)
    shop.clock.meanwhile.clear()
    first = shop.clock.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
    for colour, values in figures.items():
        for number, value in enumerate(values):
            shop.aws.publish(shop.groups[colour], first + timedelta(minutes=number), value)
    return await shop.run(plan.steps[DRAIN])


async def test_a_whole_minute_without_requests_is_a_drain(shop: AwsShop) -> None:
    said = await drained(shop, green=[4, 0], blue=[20, 20])
    assert said.startswith("green got no requests in the minute from 12:02 UTC")
    assert "WebSockets" in said


async def test_missing_figures_of_the_old_group_must_be_missing_twice(shop: AwsShop) -> None:
    said = await drained(shop, blue=[20, 20])
    assert "the minute from 12:02 UTC" in said


async def test_requests_that_keep_coming_are_told_and_are_no_failure(shop: AwsShop) -> None:
    said = await drained(shop, green=[4, 3, 2, 7, 7, 7], blue=[20] * 6)
    assert said.startswith("Not drained after 5 min: green still got 7 requests per target")


async def test_without_figures_nobody_claims_a_drain(shop: AwsShop) -> None:
    said = await drained(shop)
    assert said.startswith("Not known whether green still serves requests")
