"""Rolling back on AWS by the weights of an Application Load Balancer."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from bot.config.addresses import ELBV2_ARN, TargetGroupArn
from bot.config.durations import Duration
from bot.config.targets.base import Target

ListenerArn = Annotated[str, StringConstraints(pattern=ELBV2_ARN + r"listener/app/")]
RuleArn = Annotated[str, StringConstraints(pattern=ELBV2_ARN + r"listener-rule/app/")]


class Elbv2Target(Target):
    """A listener or one of its rules, whose forward action chooses between target groups."""

    strategy: Literal["blue-green-elbv2"]
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d+$")
    listener_arn: ListenerArn | None = None
    """The listener whose default action is switched; or else:"""
    rule_arn: RuleArn | None = None
    """the rule whose actions are switched."""
    target_groups: dict[str, TargetGroupArn] = Field(min_length=2, max_length=5)
    """Colour → ARN of its target group. A forward action holds five groups at most."""
    version_tag: str = "version"
    """The target groups' tag that names the release; without it the group's name does."""
    drain_timeout: Duration = timedelta(minutes=5)
    """How long the old group's last requests are waited for; CloudWatch tells by the minute."""

    @model_validator(mode="after")
    def _one_place_and_different_groups(self) -> Elbv2Target:
        if (self.listener_arn is None) == (self.rule_arn is None):
            raise ValueError("name either listener_arn or rule_arn")
        if len(set(self.target_groups.values())) < len(self.target_groups):
            raise ValueError("two colours have the same target group")
        place = self.listener_arn or self.rule_arn or ""
        strange = {
            arn for arn in (place, *self.target_groups.values()) if arn.split(":")[3] != self.region
        }
        if strange:
            raise ValueError(f"not in region {self.region}: {', '.join(sorted(strange))}")
        return self

    @property
    def is_in_cluster(self) -> bool:
        """It is a load balancer of AWS."""
        return False
