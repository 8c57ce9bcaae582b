"""The targets of a target group and their health, in the words of the ELBv2 API."""

from __future__ import annotations

from bot.domain.values import Value
from bot.ports.outside import Aws

_LOST = {"Target.NotRegistered", "Target.InvalidState", "Target.IpUnusable"}
"""Reasons that no health check will change."""


class Target(Value):
    """An instance, address or function."""

    name: str
    state: str
    """healthy, initial, unhealthy, unused, draining, unavailable …"""
    reason: str = ""
    """Such as Target.NotInUse: registered, but never health-checked."""
    description: str = ""

    @property
    def healthy(self) -> bool:
        """It takes requests; a target without health checks counts as healthy, as for AWS."""
        unchecked = self.state == "unavailable" and self.reason == "Target.HealthCheckDisabled"
        return self.state == "healthy" or unchecked

    @property
    def possible(self) -> bool:
        """It is healthy or may become so by itself."""
        return self.state != "draining" and self.reason not in _LOST

    @property
    def problem(self) -> str:
        """Why it is not healthy; empty when it is."""
        if self.healthy:
            return ""
        return ", ".join(text for text in (self.state, self.reason, self.description) if text)


async def read_targets(aws: Aws, region: str, group_arn: str) -> tuple[Target, ...]:
    """Every registered target; raises NotFoundError without the group."""
    answer = await aws.call(
        "elbv2", "describe_target_health", region=region, TargetGroupArn=group_arn
    )
    targets = []
    for one in answer["TargetHealthDescriptions"]:
        target, health = one["Target"], one["TargetHealth"]
        port = f":{target['Port']}" if target.get("Port") else ""
        targets.append(
            Target(
                name=f"{target['Id']}{port}",
                state=health["State"],
                reason=health.get("Reason") or "",
                description=health.get("Description") or "",
            )
        )
    return tuple(targets)
