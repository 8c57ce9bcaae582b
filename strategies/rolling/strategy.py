"""Rolling: a workload goes back to the pod template of an earlier revision, or to an image."""

from __future__ import annotations

from collections.abc import Sequence

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import PODS, Manifest, Right
from bot.clouds.kubernetes.rollouts import (
    doomed_reason,
    number_of,
    own_pods,
    template_in,
    wanted_pods,
)
from bot.clouds.kubernetes.workloads import is_ready, release_of, selector_of
from bot.core.errors import RefusedError
from bot.engine.world import Evidence, Instance, Observation, Strategy, World
from bot.incident.freeze import MarkedObject
from bot.incident.plan import Plan
from strategies.common.choice import choose, rated
from strategies.freezing import cluster_object
from strategies.kubernetes import evidence
from strategies.kubernetes.fields import SetPaused
from strategies.kubernetes.gitops import SuspendGitOps, guard_against_gitops
from strategies.kubernetes.pods import VerifyPods
from strategies.kubernetes.rollouts import AwaitRollout
from strategies.kubernetes.templates import RevertTemplate
from strategies.kubernetes.workload import (
    WORKLOADS,
    current,
    live_since,
    refuse_live_revision,
    revisions,
)
from strategies.rolling.candidates import (
    Destination,
    LiveWorkload,
    RollingTarget,
    by_image,
    by_revision,
)
from strategies.rolling.delete_broken_pods import DeleteBrokenPods
from strategies.rolling.plan import RollingChange, RollingPlan, rights_on


class Rolling(Strategy):
    """See ``bot.engine.world.Strategy``; the candidates are the workload's revisions."""

    name = "rolling"
    settings = RollingTarget
    steps = (
        SuspendGitOps(),
        RevertTemplate(),
        SetPaused(),
        DeleteBrokenPods(),
        AwaitRollout(),
        VerifyPods(),
    )
    cost = 50

    def rights(self, service: ServiceEntry) -> dict[str, tuple[Right, ...]]:
        """The workload is changed, its revisions and pods are followed."""
        target = service.target(RollingTarget)
        return {target.namespace: rights_on(target.kind)}

    async def frozen(self, service: ServiceEntry, world: World) -> tuple[MarkedObject, ...]:
        """The workload."""
        target = service.target(RollingTarget)
        kind = WORKLOADS[target.kind]
        return (cluster_object(target.kind, kind, target.namespace, target.workload),)

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """The live template and the revisions beside it."""
        live = await _read(service, world)
        found = current(live.workload, live.revisions)
        ready = sum(map(is_ready, await _pods(live, world)))
        number = f" at revision {number_of(found)}" if found else ""
        return Observation(
            live_release=live.release,
            candidates=tuple(
                one.option.candidate for one in by_revision(live, service.version_label)
            ),
            released_at=live_since(live.workload, found, live.revisions),
            summary=f"{live} runs {live.release}{number}, {ready} of "
            f"{wanted_pods(live.workload)} pods ready.",
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
        """Template back, resumed if paused, rolled out, every pod verified."""
        live = await _read(service, world)
        refuse_live_revision(live.workload, live.revisions, target)
        label = service.version_label
        found = by_revision(live, label)
        images = by_image(live, label, target=target, known_good=known_good)
        if not found and (target is None or not images):
            raise _no_history(live, images)
        # An image restores less than a revision: it is a choice, never the default.
        destinations = found if target is None else [*found, *images]
        options = [one.option for one in destinations]
        choice = choose(
            options,
            live=live.release,
            target=target,
            marked_bad=marked_bad,
            known_good=known_good,
        )
        pods = await _pods(live, world)
        guard = await guard_against_gitops(world.cluster, live.workload, str(live))
        change = RollingChange(
            service=service,
            live=live,
            destination=destinations[options.index(choice.option)],
            pods=tuple(pods),
            guard=guard,
        )
        plan = RollingPlan(name=name, change=change)
        preflights = await plan.preflights(world)
        return plan.build(
            preflights=(choice.preflight, *preflights),
            candidates=rated(
                [one.option.candidate for one in (*found, *images)],
                marked_bad=marked_bad,
                known_good=known_good,
            ),
            observed_at=world.clock.now(),
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """Every pod of the workload that is not on its way out, of whatever revision."""
        live = await _read(service, world)
        pods = [
            pod for pod in await _pods(live, world) if not pod["metadata"].get("deletionTimestamp")
        ]
        return evidence.instances(pods, service.version_label)

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """Of the pods and revisions of this release, and of pods that cannot start."""
        live = await _read(service, world)
        label = service.version_label
        return await evidence.collect(
            world,
            live.target.namespace,
            pods=[
                pod
                for pod in await _pods(live, world)
                if release_of(pod, label) == release or doomed_reason(pod)
            ],
            objects=[
                live.workload,
                *(one for one in live.revisions if release_of(template_in(one), label) == release),
            ],
        )


async def _read(service: ServiceEntry, world: World) -> LiveWorkload:
    target = service.target(RollingTarget)
    kind = WORKLOADS[target.kind]
    workload = await world.cluster.get(kind, target.namespace, target.workload)
    return LiveWorkload(
        target=target,
        workload=workload,
        revisions=await revisions(world, target.namespace, workload),
        release=release_of(workload["spec"]["template"], service.version_label),
    )


async def _pods(live: LiveWorkload, world: World) -> list[Manifest]:
    pods = await world.cluster.list(PODS, live.target.namespace, labels=selector_of(live.workload))
    return own_pods(pods, live.revisions, live.workload)


def _no_history(live: LiveWorkload, images: Sequence[Destination]) -> RefusedError:
    limit = live.workload["spec"].get("revisionHistoryLimit", 10)
    why = " (its revisionHistoryLimit is 0)" if limit == 0 else ""
    known = ", ".join(one.option.candidate.release for one in images)
    remedy = "Name the image tag to go back to, for example v2.0.0."
    if known:
        remedy = f"Name the image tag to go back to; known to be good: {known}."
    return RefusedError(f"{live} has no earlier revision{why}.", remedy)


STRATEGY = Rolling()
