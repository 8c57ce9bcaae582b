"""Argo Rollouts: the controller is told to abort, and its template goes back to the stable one."""

from __future__ import annotations

from bot.config.catalog import ServiceEntry
from bot.config.targets.canary import ArgoRolloutsCanary
from bot.domain.freeze import MarkedObject
from bot.domain.plan import Candidate, Plan, Preflight
from bot.domain.releases import release_of
from bot.domain.values import amount
from bot.domain.workloads import is_terminating, moment, ready_names
from bot.errors import RefusedError
from bot.ports.cluster import PODS, REPLICA_SETS, Right
from bot.ports.world import Evidence, Instance, Observation, World
from strategies.freezing import cluster_object
from strategies.kubernetes import evidence
from strategies.kubernetes.gitops import GitOpsGuard, guard_against_gitops
from strategies.planning.canary.argo_steps import steps_of, writes_of
from strategies.planning.canary.argo_update import Update, option_of, read_update, serves
from strategies.planning.canary.command import Wish
from strategies.preflights.dry_run import check_writes
from strategies.preflights.rights import check_rights, to_change, to_count, to_follow
from strategies.preflights.verdicts import blocked, passed
from strategies.steps.abort_rollout import (
    ROLLOUT_STATUS,
    ROLLOUTS,
    canary_weight,
    status_of,
)

RIGHTS = (
    *to_change(ROLLOUTS),
    Right(verb="patch", kind=ROLLOUT_STATUS),
    Right(verb="list", kind=REPLICA_SETS),
    *to_follow(PODS),
)


class ArgoCanary:
    """See ``strategies.planning.canary.command.CanaryCommand``."""

    rights = RIGHTS

    async def frozen(self, target: ArgoRolloutsCanary, world: World) -> tuple[MarkedObject, ...]:
        """The Rollout."""
        return (cluster_object("Rollout", ROLLOUTS, target.namespace, target.rollout),)

    async def observe(
        self, target: ArgoRolloutsCanary, service: ServiceEntry, world: World
    ) -> Observation:
        """The canary's release while an update is in progress, else the stable one."""
        update = await read_update(target, service, world)
        live = update.canary if serves(update) else update.stable
        phase = status_of(update.rollout).get("phase", "unknown")
        return Observation(
            live_release=update.release(live),
            candidates=(option_of(update).candidate,) if serves(update) else (),
            released_at=moment(live["metadata"].get("creationTimestamp")),
            summary=f"Rollout {target.rollout} is {phase}: stable {update.release(update.stable)}, "
            f"{canary_weight(update.rollout)} % for {update.release(update.canary)}.",
        )

    async def plan(
        self,
        name: str,
        target: ArgoRolloutsCanary,
        service: ServiceEntry,
        world: World,
        wish: Wish,
    ) -> Plan:
        """Abort, wait for the drain, and take the bad template away."""
        update = await read_update(target, service, world)
        if not update.in_progress:
            raise RefusedError(
                f"Rollout {target.rollout} has nothing in progress: "
                f"{update.release(update.stable)} is its stable release, and an abort could scale "
                "it to zero.",
                "To leave a stable release, release the old one: kubectl argo rollouts undo.",
            )
        preflight, candidates = wish.weigh(option_of(update), live=update.release(update.canary))
        guard = await guard_against_gitops(
            world.cluster, update.rollout, f"Rollout {target.rollout}"
        )
        preflights = await _preflights(update, service, world)
        return _plan(
            name,
            update,
            service,
            guard,
            preflights=(preflight, *preflights, guard.preflight),
            candidates=candidates,
            world=world,
        )

    async def instances(
        self, target: ArgoRolloutsCanary, service: ServiceEntry, world: World
    ) -> tuple[Instance, ...]:
        """The stable pods, and the canary's while an update is in progress."""
        update = await read_update(target, service, world)
        found = update.pods if serves(update) else update.of(update.stable)
        pods = [pod for pod in found if not is_terminating(pod)]
        return evidence.instances(pods, service.version_label)

    async def evidence(
        self, target: ArgoRolloutsCanary, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """Of the pods and ReplicaSets of this release, and the Rollout."""
        update = await read_update(target, service, world)
        label = service.version_label
        sides = [one for one in (update.stable, update.canary) if update.release(one) == release]
        return await evidence.collect(
            world,
            target.namespace,
            pods=[pod for pod in update.pods if release_of(pod, label) == release],
            objects=[update.rollout, *sides],
        )


async def _preflights(update: Update, service: ServiceEntry, world: World) -> tuple[Preflight, ...]:
    rights = (*RIGHTS, *to_count(service))
    return (
        _check_capacity(update),
        await check_writes(world.cluster, writes_of(update)),
        await check_rights(world.cluster, update.target.namespace, rights),
    )


def _check_capacity(update: Update) -> Preflight:
    """A router moves all traffic at once; without one the controller exchanges pods gradually."""
    ready = len(ready_names(update.of(update.stable)))
    needed = update.target.full_replicas or update.replicas
    if not update.routed:
        return passed("Capacity", "The controller exchanges the pods little by little.")
    if ready < needed:
        return blocked(
            "Capacity",
            f"The stable side has {amount(ready, 'ready pod')} and all traffic needs {needed}: it "
            "would be overloaded (argo-rollouts#3941). Scale it up first, for example by setting "
            "the canary's weight back with dynamicStableScale.",
        )
    pods = amount(ready, "ready pod")
    return passed("Capacity", f"The stable side has {pods}; needed: {needed}.")


def _plan(
    name: str,
    update: Update,
    service: ServiceEntry,
    guard: GitOpsGuard,
    *,
    preflights: tuple[Preflight, ...],
    candidates: tuple[Candidate, ...],
    world: World,
) -> Plan:
    target = update.target
    stable, canary = update.hashes
    referenced = "template" not in update.rollout["spec"]
    left = ("the workload that the Rollout refers to: it keeps the bad template",)
    return Plan(
        service=name,
        strategy="canary",
        from_release=update.release(update.canary),
        to_release=update.release(update.stable),
        steps=(*guard.steps, *steps_of(update, service)),
        preflights=preflights,
        not_reversible=(
            "the canary's progress: taken back, the Rollout begins again at its first step",
        ),
        not_restored=(
            *(left if referenced else ()),
            "the content of ConfigMaps and Secrets",
            *guard.not_restored,
        ),
        candidates=candidates,
        observed={"rollout": target.rollout, "stable": stable, "canary": canary},
        observed_at=world.clock.now(),
    )
