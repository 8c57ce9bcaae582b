"""Rolling: a Deployment goes back to the pod template of an earlier revision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from bot.config.targets import RollingTarget
from bot.domain.plan import Candidate, Plan
from bot.domain.workloads import annotations_of, name_of, release_of, revision_of, selector_of
from bot.errors import ConfigurationError, RefusedError
from bot.ports.cluster import DEPLOYMENTS, PODS, Manifest
from bot.ports.world import Evidence, Instance, Observation, World
from strategies import evidence
from strategies.history import current, live_since, others, revisions
from strategies.rolling_plan import RollingPlan
from strategies.rolling_steps import RollingChange
from strategies.steps.rollout import own_pods
from strategies.targets import Option, choose, rated


@dataclass(frozen=True, kw_only=True)
class _Live:
    target: RollingTarget
    deployment: Manifest
    replica_sets: tuple[Manifest, ...]
    release: str

    @property
    def others(self) -> tuple[Manifest, ...]:
        return others(self.deployment, self.replica_sets)


class Rolling:
    """See ``bot.ports.world.Strategy``; the candidates are the Deployment's ReplicaSets."""

    name = "rolling"

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """The live template and the revisions beside it."""
        live = await _read(service, world)
        status = live.deployment.get("status") or {}
        return Observation(
            live_release=live.release,
            candidates=tuple(one.candidate for one in _options(live, service)),
            released_at=live_since(live.deployment, current(live.deployment, live.replica_sets)),
            summary=f"Deployment {live.target.deployment} runs {live.release} at revision "
            f"{revision_of(live.deployment)}, {status.get('readyReplicas', 0)} of "
            f"{live.deployment['spec'].get('replicas', 1)} pods ready.",
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
        _refuse_the_live_revision(live, target)
        options = _options(live, service)
        if not options:
            raise RefusedError(
                f"Deployment {live.target.deployment} has no earlier revision"
                f"{_why_no_history(live.deployment)}.",
                "Deploy an earlier image instead.",
            )
        choice = choose(
            options,
            live=live.release,
            target=target,
            marked_bad=marked_bad,
            known_good=known_good,
        )
        replica_set = live.others[options.index(choice.option)]
        change = RollingChange(
            service=service,
            target=live.target,
            deployment=live.deployment,
            replica_set=replica_set,
            from_release=live.release,
            to_release=choice.option.candidate.release,
        )
        plan = RollingPlan(name=name, change=change)
        preflights = await plan.preflights(world)
        candidates = tuple(one.candidate for one in options)
        return plan.build(
            preflights=(choice.preflight, *preflights),
            candidates=rated(candidates, marked_bad=marked_bad, known_good=known_good),
            observed_at=world.clock.now(),
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """Every pod of the Deployment that is not on its way out, of whatever revision."""
        live = await _read(service, world)
        pods = [
            pod for pod in await _pods(live, world) if not pod["metadata"].get("deletionTimestamp")
        ]
        return evidence.instances(pods, service.version_label)

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """Of the pods and ReplicaSets of this release."""
        live = await _read(service, world)
        label = service.version_label
        return await evidence.collect(
            world,
            live.target.namespace,
            pods=[pod for pod in await _pods(live, world) if release_of(pod, label) == release],
            objects=[
                live.deployment,
                *(
                    one
                    for one in live.replica_sets
                    if release_of(one["spec"]["template"], label) == release
                ),
            ],
        )


async def _read(service: ServiceEntry, world: World) -> _Live:
    target = next((one for one in service.rollback if isinstance(one, RollingTarget)), None)
    if target is None:
        raise ConfigurationError("The catalog names no rolling target for this service.")
    deployment = await world.cluster.get(DEPLOYMENTS, target.namespace, target.deployment)
    return _Live(
        target=target,
        deployment=deployment,
        replica_sets=await revisions(world, target.namespace, deployment),
        release=release_of(deployment["spec"]["template"], service.version_label),
    )


async def _pods(live: _Live, world: World) -> list[Manifest]:
    pods = await world.cluster.list(
        PODS, live.target.namespace, labels=selector_of(live.deployment)
    )
    return own_pods(pods, live.replica_sets, live.deployment)


def _options(live: _Live, service: ServiceEntry) -> list[Option]:
    """One option for each of ``live.others``, in the same order."""
    return [_option(one, service.version_label) for one in live.others]


def _option(replica_set: Manifest, version_label: str) -> Option:
    revision = revision_of(replica_set)
    cause = annotations_of(replica_set).get("kubernetes.io/change-cause", "")
    return Option(
        candidate=Candidate(
            release=release_of(replica_set["spec"]["template"], version_label),
            detail=f"revision {revision}" + (f": {cause}" if cause else ""),
        ),
        aliases=frozenset({str(revision), name_of(replica_set)}),
    )


def _refuse_the_live_revision(live: _Live, target: str | None) -> None:
    """An equal template would be patched to no effect, and look like a success."""
    for one in live.replica_sets:
        if target in {str(revision_of(one)), name_of(one)} and one not in live.others:
            raise RefusedError(
                f"Nothing to do: revision {target} has the template that is live.",
                "Name another revision or release.",
            )


def _why_no_history(deployment: Manifest) -> str:
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    return " (its revisionHistoryLimit is 0)" if limit == 0 else ""
