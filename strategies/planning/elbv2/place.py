"""The place in a load balancer that is switched: a listener's default action or a rule."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from bot.config.targets.elbv2 import Elbv2Target
from bot.domain.values import Value
from bot.ports.outside import Aws
from strategies.commands import aws_cli
from strategies.planning.elbv2.actions import Action


class Place(Value):
    """Where the actions are."""

    kind: Literal["listener", "rule"]
    """AWS changes a default rule through its listener only."""
    arn: str
    region: str

    def __str__(self) -> str:
        what = "the listener's default action" if self.kind == "listener" else "the rule"
        return f"{what} {self.arn.split('/', 1)[1]}"

    @property
    def listener_arn(self) -> str:
        """The listener, also of a rule."""
        return self.arn if self.kind == "listener" else listener_of(self.arn)

    @property
    def load_balancer_arn(self) -> str:
        """``…:listener/app/lb/id/listener`` → ``…:loadbalancer/app/lb/id``."""
        return self.listener_arn.replace(":listener/", ":loadbalancer/").rsplit("/", 1)[0]

    @property
    def permission(self) -> str:
        """The IAM action that changes it."""
        operation = "ModifyListener" if self.kind == "listener" else "ModifyRule"
        return f"elasticloadbalancing:{operation}"

    @property
    def event(self) -> tuple[str, str]:
        """CloudTrail's name of such a change, and of the parameter that holds the ARN."""
        if self.kind == "listener":
            return "ModifyListener", "listenerArn"
        return "ModifyRule", "ruleArn"

    async def read(self, aws: Aws) -> list[Action]:
        """The actions as they are now."""
        if self.kind == "listener":
            answer = await aws.call(
                "elbv2", "describe_listeners", region=self.region, ListenerArns=[self.arn]
            )
            actions: list[Action] = answer["Listeners"][0]["DefaultActions"]
            return actions
        answer = await aws.call("elbv2", "describe_rules", region=self.region, RuleArns=[self.arn])
        found: list[Action] = answer["Rules"][0]["Actions"]
        return found

    async def write(self, aws: Aws, actions: Sequence[Action]) -> None:
        """Replace the actions; everything else of the listener or rule stays as it is."""
        operation, arguments = (
            ("modify_listener", {"ListenerArn": self.arn, "DefaultActions": list(actions)})
            if self.kind == "listener"
            else ("modify_rule", {"RuleArn": self.arn, "Actions": list(actions)})
        )
        await aws.call("elbv2", operation, region=self.region, **arguments)

    def command(self, actions: Sequence[Action]) -> str:
        """The same change by hand."""
        text = json.dumps(list(actions), separators=(",", ":"), sort_keys=True)
        verb, name, option = (
            ("modify-listener", "--listener-arn", "--default-actions")
            if self.kind == "listener"
            else ("modify-rule", "--rule-arn", "--actions")
        )
        return aws_cli(self.region, "elbv2", verb, name, self.arn, option, text)


async def find_place(target: Elbv2Target, aws: Aws) -> Place:
    """The catalog's place; the default rule's is its listener."""
    if target.listener_arn is not None:
        return Place(kind="listener", arn=target.listener_arn, region=target.region)
    arn = str(target.rule_arn)
    answer = await aws.call("elbv2", "describe_rules", region=target.region, RuleArns=[arn])
    if answer["Rules"][0].get("IsDefault"):
        return Place(kind="listener", arn=listener_of(arn), region=target.region)
    return Place(kind="rule", arn=arn, region=target.region)


def listener_of(rule_arn: str) -> str:
    """``…:listener-rule/app/lb/id/listener/rule`` → ``…:listener/app/lb/id/listener``."""
    return rule_arn.replace(":listener-rule/", ":listener/").rsplit("/", 1)[0]


def dimension(arn: str) -> str:
    """How CloudWatch names a target group or load balancer: the end of its ARN."""
    name = arn.split(":", 5)[5]
    return name.removeprefix("loadbalancer/")
