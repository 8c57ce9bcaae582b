"""Blue-green on AWS: a load balancer sends requests back to the other target group."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from bot.catalog.service import ServiceEntry
from bot.core.errors import RefusedError, RollbackBotError
from bot.engine.world import Evidence, Instance, Observation, Strategy, World
from bot.incident.freeze import AwsResource, MarkedObject
from bot.incident.plan import Candidate, Plan
from strategies.blue_green_elbv2.listener import (
    Balancing,
    Elbv2Change,
    Elbv2Target,
    Group,
    read_balancing,
    writable,
)
from strategies.blue_green_elbv2.plan import Elbv2Plan
from strategies.blue_green_elbv2.steps import Elbv2AwaitDrain, Elbv2AwaitHealthy, Elbv2Forward
from strategies.common.aws import changes_of
from strategies.common.choice import Option, choose, rated


class BlueGreenElbv2(Strategy):
    """See ``bot.engine.world.Strategy``; the candidates are the groups that are not live."""

    name = "blue-green-elbv2"
    settings = Elbv2Target
    steps = (Elbv2AwaitHealthy(), Elbv2Forward(), Elbv2AwaitDrain())
    cost = 30

    async def frozen(self, service: ServiceEntry, world: World) -> tuple[MarkedObject, ...]:
        """What switches the traffic."""
        target = service.target(Elbv2Target)
        kind = "listener" if target.listener_arn else "listener rule"
        arn = target.listener_arn or target.rule_arn or ""
        return (AwsResource(kind=kind, region=target.region, arn=arn),)

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """The group that gets most requests and the ones beside it."""
        balancing = await read_balancing(service, world)
        live, weights = balancing.live, balancing.forward.weights
        shares = ", ".join(f"{one.colour} {weights[one.arn]}" for one in balancing.serving)
        return Observation(
            live_release=live.release,
            candidates=tuple(one.candidate for one in _options(balancing.others)),
            released_at=await _live_since(balancing, world),
            summary=f"Load balancer {balancing.load_balancer['LoadBalancerName']} forwards by "
            f"weights {shares}: {live.release}, {live.healthy} of {len(live.targets)} targets "
            "healthy.",
        )

    async def plan(
        self,
        name: str,
        service: ServiceEntry,
        world: World,
        *,
        target: str | None,
        marked_bad: frozenset[str],
        known_good: Sequence[str],
    ) -> Plan:
        """Attach the other group if needed, wait for its health, switch, wait for the drain."""
        balancing = (await read_balancing(service, world)).leaving(target)
        live = balancing.live
        if target in {live.colour, live.arn, live.name}:
            raise RefusedError(
                f"Nothing to do: all requests go to {target} already.", "Name another colour."
            )
        options = _options(balancing.others)
        choice = choose(
            options,
            live=live.release,
            target=target,
            marked_bad=marked_bad,
            known_good=known_good,
        )
        group = balancing.others[options.index(choice.option)]
        change = Elbv2Change(service=service, balancing=balancing, group=group)
        plan = Elbv2Plan(name=name, change=change)
        preflights = await plan.preflights(world)
        candidates = tuple(one.candidate for one in options)
        return plan.build(
            preflights=(choice.preflight, *preflights),
            candidates=rated(candidates, marked_bad=marked_bad, known_good=known_good),
            observed_at=world.clock.now(),
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """The targets of every group that gets requests."""
        balancing = await read_balancing(service, world)
        return tuple(
            Instance(
                namespace=group.name,
                name=target.name,
                release=group.release,
                ready=target.healthy,
                askable=False,
                problem=target.problem,
            )
            for group in balancing.serving
            for target in sorted(group.targets, key=lambda one: one.name)
        )

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """Actions, groups and their targets' health; the targets' logs are not AWS's to give."""
        balancing = await read_balancing(service, world)
        found = {
            "place": balancing.place.arn,
            "actions": writable(balancing.actions),
            "load balancer": balancing.load_balancer,
            "tags": balancing.tags,
            "target groups": [group.description for group in balancing.groups],
        }
        lines = [
            f"{group.detail}, {group.release}: {target.name} {target.problem or target.state}"
            for group in balancing.groups
            if group.release == release
            for target in group.targets
        ]
        return (
            Evidence(
                name="load-balancer.json",
                text=json.dumps(found, indent=2, sort_keys=True, default=str),
            ),
            Evidence(name="targets.txt", text="\n".join(lines or ["No targets."]) + "\n"),
        )


def _options(groups: Sequence[Group]) -> list[Option]:
    """One option for each group, in the same order."""
    return [
        Option(
            candidate=Candidate(release=group.release, detail=group.detail),
            aliases=frozenset({group.colour, group.arn, group.name}),
        )
        for group in groups
    ]


async def _live_since(balancing: Balancing, world: World) -> datetime | None:
    """When the actions were last written with the live group in them, if CloudTrail can tell."""
    place = balancing.place
    event, parameter = place.event
    try:
        changes = await changes_of(
            world, place.region, event=event, parameter=parameter, value=place.arn
        )
    except RollbackBotError:
        return None
    for change in changes:
        if balancing.live.arn in json.dumps(change.request):
            return change.at
    return None


STRATEGY = BlueGreenElbv2()
