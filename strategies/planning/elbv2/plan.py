"""The plan of a blue-green rollback on ELBv2: its preflights, and what must be said before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.domain.plan import Candidate, Plan, Preflight
from bot.ports.world import World
from strategies.planning.elbv2.actions import comparable
from strategies.planning.elbv2.change import Elbv2Change
from strategies.planning.elbv2.steps import elbv2_steps
from strategies.preflights.elbv2 import (
    check_fit,
    check_health,
    check_kept,
    check_load_balancer,
    check_split,
    check_stickiness,
)
from strategies.preflights.elbv2_elsewhere import ELSEWHERE, check_elsewhere
from strategies.preflights.iam import check_actions
from strategies.preflights.ownership import check_ownership
from strategies.preflights.verdicts import or_unknown


@dataclass(frozen=True, kw_only=True)
class Elbv2Plan:
    """A change with everything that is known about it."""

    name: str
    change: Elbv2Change

    async def preflights(self, world: World) -> tuple[Preflight, ...]:
        """Everything that can be known before."""
        change, balancing, aws = self.change, self.change.balancing, world.aws
        place = balancing.place
        rights, elsewhere = await asyncio.gather(
            check_actions(aws, place.region, _wanted(change)),
            or_unknown(ELSEWHERE, check_elsewhere(change, aws)),
        )
        return (
            check_health(change),
            check_fit(change),
            check_load_balancer(balancing),
            check_split(change),
            check_stickiness(change),
            check_kept(balancing),
            elsewhere,
            check_ownership(balancing.tags, str(place)),
            rights,
        )

    def build(
        self,
        *,
        preflights: tuple[Preflight, ...],
        candidates: tuple[Candidate, ...],
        observed_at: datetime,
    ) -> Plan:
        """The whole plan."""
        change, live = self.change, self.change.live
        place = change.balancing.place
        return Plan(
            service=self.name,
            strategy="blue-green-elbv2",
            from_release=live.release,
            to_release=change.group.release,
            steps=elbv2_steps(change),
            preflights=preflights,
            not_restored=(
                f"the targets of {live.detail}: they keep running without requests, for debugging",
                "which targets are registered in either group",
                f"other rules and listeners: only {place} is changed",
                "connections that are open already, such as WebSockets: they end by themselves",
            ),
            candidates=candidates,
            observed={
                "place": place.arn,
                "actions": comparable(change.balancing.actions),
                "live": live.colour,
                "target": change.group.colour,
            },
            observed_at=observed_at,
        )


def _wanted(change: Elbv2Change) -> dict[str, str]:
    """Rights that reading has not proven: to modify, and what AWS asks for beside it."""
    place = change.balancing.place
    wanted = {place.permission: place.arn}
    for action in change.balancing.actions:
        if action["Type"] == "authenticate-cognito":
            pool = action["AuthenticateCognitoConfig"]["UserPoolArn"]
            wanted["cognito-idp:DescribeUserPoolClient"] = pool
    return wanted
