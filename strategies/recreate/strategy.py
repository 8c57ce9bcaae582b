"""Recreate: all pods of the bad release end, then those of an old one start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import DEPLOYMENTS, PODS, Manifest, Right
from bot.clouds.kubernetes.rollouts import own_pods, same_template
from bot.clouds.kubernetes.workloads import is_terminating, ready_names, release_of, selector_of
from bot.core.errors import RefusedError
from bot.engine.world import Evidence, Instance, Observation, Strategy, World
from bot.incident.freeze import MarkedObject
from bot.incident.plan import Plan
from strategies.common.choice import choose, rated
from strategies.freezing import deployments
from strategies.kubernetes import evidence
from strategies.kubernetes.fields import SetFields, SetPaused
from strategies.kubernetes.gitops import SuspendGitOps, guard_against_gitops
from strategies.kubernetes.pods import AwaitNoPods, VerifyPods
from strategies.kubernetes.rollouts import AwaitRollout
from strategies.kubernetes.scale import Scale
from strategies.kubernetes.scalers import find_scalers
from strategies.kubernetes.templates import RevertTemplate
from strategies.kubernetes.workload import current, live_since, refuse_live_revision, revisions
from strategies.recreate.apply_manifest import ApplyManifest
from strategies.recreate.change import (
    RecreateChange,
    RecreateTarget,
    Source,
    outcome_of,
    read_sources,
)
from strategies.recreate.measure_downtime import MeasureDowntime
from strategies.recreate.plan import RIGHTS, RecreatePlan


@dataclass(frozen=True, kw_only=True)
class _Live:
    target: RecreateTarget
    deployment: Manifest
    replica_sets: tuple[Manifest, ...]
    pods: tuple[Manifest, ...]
    sources: tuple[Source, ...]
    release: str


class Recreate(Strategy):
    """See ``bot.engine.world.Strategy``; the candidates are ReplicaSets or manifest files."""

    name = "recreate"
    settings = RecreateTarget
    steps = (
        SuspendGitOps(),
        SetFields(),
        Scale(),
        AwaitNoPods(),
        RevertTemplate(),
        ApplyManifest(),
        SetPaused(),
        AwaitRollout(),
        VerifyPods(),
        MeasureDowntime(),
    )
    cost = 60

    def rights(self, service: ServiceEntry) -> dict[str, tuple[Right, ...]]:
        """The Deployment is changed; events tell the downtime."""
        return {service.target(RecreateTarget).namespace: RIGHTS}

    async def frozen(self, service: ServiceEntry, world: World) -> tuple[MarkedObject, ...]:
        """The Deployment."""
        target = service.target(RecreateTarget)
        return deployments(target.namespace, target.deployment)

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """The live template and the releases that one could go back to."""
        live = await _read(service, world)
        return Observation(
            live_release=live.release,
            candidates=tuple(
                one.option.candidate
                for one in live.sources
                if one.option.candidate.release != live.release
            ),
            released_at=live_since(live.deployment, current(live.deployment, live.replica_sets)),
            summary=f"Deployment {live.target.deployment} runs {live.release}, "
            f"{len(ready_names(live.pods))} of {live.deployment['spec'].get('replicas', 1)} pods "
            "ready.",
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
        """Scale to zero, wait for the last pod, put the old release in place, scale up."""
        live = await _read(service, world)
        refuse_live_revision(live.deployment, live.replica_sets, target)
        options = [one.option for one in live.sources]
        choice = choose(
            options,
            live=live.release,
            target=target,
            marked_bad=marked_bad,
            known_good=known_good,
        )
        source = live.sources[options.index(choice.option)]
        outcome = await outcome_of(world, live.target, live.deployment, source)
        if same_template(outcome.template, live.deployment["spec"]["template"]):
            raise RefusedError(
                f"Nothing to do: {live.target.deployment} has the template of "
                f"{choice.option.candidate.release} already.",
                "Name another release to go back to.",
            )
        change = RecreateChange(
            service=service,
            target=live.target,
            deployment=live.deployment,
            pods=live.pods,
            source=source,
            scalers=await find_scalers(
                world.cluster, live.target.namespace, live.target.deployment
            ),
            outcome=outcome,
            from_release=live.release,
            to_release=choice.option.candidate.release,
        )
        plan = RecreatePlan(name=name, change=change)
        guard = await guard_against_gitops(
            world.cluster, live.deployment, f"Deployment {live.target.deployment}"
        )
        preflights = await plan.preflights(world)
        candidates = tuple(option.candidate for option in options)
        return plan.build(
            guard=guard,
            preflights=(choice.preflight, *preflights),
            candidates=rated(candidates, marked_bad=marked_bad, known_good=known_good),
            observed_at=world.clock.now(),
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """Every pod of the Deployment that is not on its way out, of whatever release."""
        live = await _read(service, world)
        pods = [pod for pod in live.pods if not is_terminating(pod)]
        return evidence.instances(pods, service.version_label)

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """Of the pods and ReplicaSets of this release."""
        live = await _read(service, world)
        label = service.version_label
        old = [
            one
            for one in live.replica_sets
            if release_of(one["spec"]["template"], label) == release
        ]
        return await evidence.collect(
            world,
            live.target.namespace,
            pods=[pod for pod in live.pods if release_of(pod, label) == release],
            objects=[live.deployment, *old],
        )


async def _read(service: ServiceEntry, world: World) -> _Live:
    target = service.target(RecreateTarget)
    deployment = await world.cluster.get(DEPLOYMENTS, target.namespace, target.deployment)
    replica_sets = await revisions(world, target.namespace, deployment)
    pods = await world.cluster.list(PODS, target.namespace, labels=selector_of(deployment))
    return _Live(
        target=target,
        deployment=deployment,
        replica_sets=replica_sets,
        pods=tuple(own_pods(pods, replica_sets, deployment)),
        sources=await read_sources(target, deployment, replica_sets, service.version_label),
        release=release_of(deployment["spec"]["template"], service.version_label),
    )


STRATEGY = Recreate()
