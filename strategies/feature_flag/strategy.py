"""Feature flag: the release stays, its bad feature goes off at the service that keeps the flag."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import PODS, Manifest
from bot.clouds.kubernetes.workloads import is_finished, is_terminating
from bot.core.errors import RefusedError
from bot.engine.world import Evidence, Instance, Observation, Strategy, World
from bot.incident.plan import Candidate, Plan
from strategies.choice import Option, choose, rated
from strategies.feature_flag.plan import FlagChange
from strategies.feature_flag.service import flag_service
from strategies.feature_flag.steps import AwaitFlag, CheckFeature, SwitchFlag
from strategies.feature_flag.target import FeatureFlagTarget, FlagTarget
from strategies.kubernetes import evidence


class FeatureFlag(Strategy):
    """See ``bot.engine.world.Strategy``; the releases are the flag on and the flag off."""

    name = "feature-flag"
    settings = FeatureFlagTarget
    steps = (SwitchFlag(), AwaitFlag(), CheckFeature())
    cost = 10
    moves_users = False

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """Whether the flag is on."""
        change = await _read(service, world)
        flag, on = change.flag, change.flag.state.enabled
        return Observation(
            live_release=change.from_release if on else change.to_release,
            candidates=(_option(change).candidate,) if on else (),
            released_at=flag.changed_at,
            summary=f"{change.target.flag} is {flag.summary} in {change.service.place}.",
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
        """Switch it off, wait one refresh interval, see that users are served without it."""
        change = await _read(service, world)
        if not change.flag.state.enabled:
            raise RefusedError(
                f"Nothing to do: {change.target.flag} is off already in {change.service.place}.",
                "Look for another cause, or choose another strategy.",
            )
        option = _option(change)
        choice = choose(
            [option],
            live=change.from_release,
            target=target,
            marked_bad=marked_bad,
            known_good=known_good,
        )
        return change.build(
            name=name,
            preflights=(choice.preflight, *await change.preflights(world)),
            candidates=rated([option.candidate], marked_bad=marked_bad, known_good=known_good),
            observed_at=world.clock.now(),
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """The pods that the service's metrics are read from: a flag replaces none of them."""
        return evidence.instances(await _pods(service, world), service.version_label)

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """The flag as its service describes it, and what the pods say."""
        change = await _read(service, world)
        text = json.dumps(change.flag.document, indent=2, sort_keys=True, default=str)
        flag = Evidence(name="flag.json", text=text + "\n")
        if service.pod_metrics is None:
            return (flag,)
        pods = await _pods(service, world)
        kept = await evidence.collect(world, service.pod_metrics.namespace, pods=pods, objects=[])
        return (flag, *kept)


async def _read(service: ServiceEntry, world: World) -> FlagChange:
    target = service.target(FlagTarget)
    flags = flag_service(target, world)
    return FlagChange(entry=service, target=target, service=flags, flag=await flags.read())


def _option(change: FlagChange) -> Option:
    return Option(
        candidate=Candidate(release=change.to_release, detail=change.service.place),
        aliases=frozenset({"off"}),
    )


async def _pods(service: ServiceEntry, world: World) -> list[Manifest]:
    metrics = service.pod_metrics
    if metrics is None:
        return []
    found = await world.cluster.list(PODS, metrics.namespace, labels=metrics.selector)
    return [pod for pod in found if not is_finished(pod) and not is_terminating(pod)]


STRATEGY = FeatureFlag()
