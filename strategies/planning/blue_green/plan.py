"""The plan of a blue-green rollback: its preflights, and what must be said before approval."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.domain.plan import Candidate, Plan, Preflight
from bot.ports.cluster import DEPLOYMENTS, ENDPOINT_SLICES, PODS, SERVICES, Right
from bot.ports.world import World
from strategies.planning.blue_green.steps import BlueGreenChange
from strategies.preflights.capacity import check_capacity, check_selector, check_target_rollout
from strategies.preflights.configuration import NAME as REFERENCES
from strategies.preflights.configuration import check_references
from strategies.preflights.dry_run import check_patch
from strategies.preflights.rights import check_rights, to_change, to_count, to_follow
from strategies.preflights.scaling import AUTOSCALER, BUDGET, check_autoscaler, check_budget
from strategies.preflights.verdicts import or_unknown

RIGHTS = (
    *to_change(SERVICES),
    Right(verb="get", kind=DEPLOYMENTS),
    *to_follow(ENDPOINT_SLICES, PODS),
)


@dataclass(frozen=True, kw_only=True)
class BlueGreenPlan:
    """A change with everything that is known about it."""

    name: str
    change: BlueGreenChange

    async def preflights(self, world: World) -> tuple[Preflight, ...]:
        """Everything that can be known before."""
        change, cluster = self.change, world.cluster
        namespace, name = change.target.namespace, change.target.service
        checks = await asyncio.gather(
            check_rights(cluster, namespace, (*RIGHTS, *to_count(change.service))),
            or_unknown(
                REFERENCES,
                check_references(cluster, namespace, self.change.deployment["spec"]["template"]),
            ),
            or_unknown(AUTOSCALER, check_autoscaler(cluster, namespace, self.change.deployment)),
            or_unknown(BUDGET, check_budget(cluster, namespace, self.change.deployment)),
            check_patch(cluster, SERVICES, namespace, name, change.operations()),
        )
        return (
            check_capacity(self.change.colours.live, self.change.colour),
            check_target_rollout(self.change.colour, self.change.service.version_label),
            check_selector(self.change.colour, self.change.colours.live),
            *checks,
            change.guard.preflight,
        )

    def build(
        self,
        *,
        preflights: tuple[Preflight, ...],
        candidates: tuple[Candidate, ...],
        observed_at: datetime,
    ) -> Plan:
        """The whole plan."""
        live = self.change.colours.live
        return Plan(
            service=self.name,
            strategy="blue-green",
            from_release=live.release,
            to_release=self.change.colour.release,
            steps=self.change.steps(),
            preflights=preflights,
            not_restored=(
                f"the pods of {live.detail}: they keep running without traffic, for debugging",
                "the number of replicas of either colour",
                "the content of ConfigMaps",
                "the content of Secrets",
                *self.change.guard.not_restored,
            ),
            candidates=candidates,
            observed={
                "service": f"{self.change.target.namespace}/{self.change.target.service}",
                "selector": dict(self.change.colours.selector),
                "live": live.name,
                "target": self.change.colour.name,
            },
            observed_at=observed_at,
        )
