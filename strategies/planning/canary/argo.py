"""Argo Rollouts: the controller is told to abort, and its template goes back to the stable one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from bot.config.targets.canary import ArgoRolloutsCanary
from bot.domain.plan import Candidate, Milestone, Plan, Preflight, Step, StepSpec
from bot.domain.workloads import (
    is_finished,
    is_terminating,
    moment,
    name_of,
    owner_uid,
    ready_names,
    release_of,
    selector_of,
)
from bot.errors import RefusedError
from bot.ports.cluster import PODS, REPLICA_SETS, Manifest
from bot.ports.world import Evidence, Instance, Observation, World
from strategies.commands import json_patch, kubectl
from strategies.kubernetes import evidence
from strategies.kubernetes.drains import drain_step
from strategies.kubernetes.gitops import GitOpsGuard, guard_against_gitops
from strategies.preflights.dry_run import NAME as DRY_RUN
from strategies.preflights.dry_run import check_patch
from strategies.preflights.rights import Right, check_rights
from strategies.preflights.verdicts import blocked, passed
from strategies.steps.abort_rollout import (
    ROLLOUT_STATUS,
    ROLLOUTS,
    AbortRollout,
    AbortRolloutParams,
    canary_weight,
    status_of,
)
from strategies.steps.check_ready import CheckReady, CheckReadyParams
from strategies.steps.set_fields import FieldChange, SetFields, SetFieldsParams, guarded
from strategies.targets import Option, choose, rated

_HASH = "rollouts-pod-template-hash"
_RIGHTS = (
    *(Right(verb=verb, kind=ROLLOUTS) for verb in ("get", "patch", "watch")),
    Right(verb="patch", kind=ROLLOUT_STATUS),
    Right(verb="list", kind=REPLICA_SETS),
    Right(verb="watch", kind=PODS),
)
_READY_SECONDS = 30.0
_CONTROLLER_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Update:
    """A Rollout with its two sides."""

    target: ArgoRolloutsCanary
    rollout: Manifest
    stable: Manifest
    """The ReplicaSet of the stable release."""
    canary: Manifest
    pods: tuple[Manifest, ...]
    version_label: str

    @property
    def hashes(self) -> tuple[str, str]:
        """Of the stable side and of the canary; the same when nothing is in progress."""
        status = status_of(self.rollout)
        return str(status.get("stableRS") or ""), str(status.get("currentPodHash") or "")

    @property
    def in_progress(self) -> bool:
        """Whether an abort has anything to abort (argo-rollouts#1292)."""
        stable, canary = self.hashes
        return bool(stable and canary and stable != canary)

    @property
    def routed(self) -> bool:
        """Whether a traffic router splits the traffic, not the number of pods."""
        strategy = (self.rollout["spec"].get("strategy") or {}).get("canary") or {}
        return bool(strategy.get("trafficRouting"))

    @property
    def replicas(self) -> int:
        """Pods that there are to be of one release."""
        return int(self.rollout["spec"].get("replicas", 1))

    def of(self, replica_set: Manifest) -> tuple[Manifest, ...]:
        """The pods of one side."""
        uid = replica_set["metadata"]["uid"]
        return tuple(pod for pod in self.pods if owner_uid(pod) == uid)

    def release(self, replica_set: Manifest) -> str:
        """What people call it."""
        return release_of(replica_set["spec"]["template"], self.version_label)

    @property
    def template(self) -> Manifest:
        """The stable pod template without the controller's label."""
        bare: Manifest = json.loads(json.dumps(self.stable["spec"]["template"]))
        (bare["metadata"].get("labels") or {}).pop(_HASH, None)
        return bare


class ArgoCanary:
    """The part of ``strategies.canary.Canary`` that commands a Rollout."""

    async def observe(
        self, target: ArgoRolloutsCanary, service: ServiceEntry, world: World
    ) -> Observation:
        """The canary's release while an update is in progress, else the stable one."""
        update = await read_update(target, service, world)
        live = update.canary if _serves(update) else update.stable
        phase = status_of(update.rollout).get("phase", "unknown")
        return Observation(
            live_release=update.release(live),
            candidates=(_option(update).candidate,) if _serves(update) else (),
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
        *,
        wanted: str | None,
        marked_bad: frozenset[str],
        known_good: Sequence[str],
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
        choice = choose(
            [_option(update)],
            live=update.release(update.canary),
            target=wanted,
            marked_bad=marked_bad,
            known_good=known_good,
        )
        guard = await guard_against_gitops(
            world.cluster, update.rollout, f"Rollout {target.rollout}"
        )
        preflights = await _preflights(update, world)
        return _plan(
            name,
            update,
            service,
            guard,
            preflights=(choice.preflight, *preflights, guard.preflight),
            candidates=rated(
                (_option(update).candidate,), marked_bad=marked_bad, known_good=known_good
            ),
            world=world,
        )

    async def instances(
        self, target: ArgoRolloutsCanary, service: ServiceEntry, world: World
    ) -> tuple[Instance, ...]:
        """The stable pods, and the canary's while an update is in progress."""
        update = await read_update(target, service, world)
        found = update.pods if _serves(update) else update.of(update.stable)
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


async def read_update(target: ArgoRolloutsCanary, service: ServiceEntry, world: World) -> Update:
    """The Rollout, its ReplicaSets and pods. Raises RefusedError when there is no stable one."""
    rollout = await world.cluster.get(ROLLOUTS, target.namespace, target.rollout)
    labels, uid = selector_of(rollout), rollout["metadata"]["uid"]
    replica_sets, pods = await asyncio.gather(
        world.cluster.list(REPLICA_SETS, target.namespace, labels=labels),
        world.cluster.list(PODS, target.namespace, labels=labels),
    )
    own = {
        one["metadata"]["labels"].get(_HASH): one for one in replica_sets if owner_uid(one) == uid
    }
    status = status_of(rollout)
    stable, canary = own.get(status.get("stableRS")), own.get(status.get("currentPodHash"))
    if stable is None or canary is None:
        raise RefusedError(
            f"Rollout {target.rollout} has no stable release that its pods could go back to.",
            "Deploy a working release instead.",
        )
    uids = {one["metadata"]["uid"] for one in own.values()}
    return Update(
        target=target,
        rollout=rollout,
        stable=stable,
        canary=canary,
        pods=tuple(p for p in pods if owner_uid(p) in uids and not is_finished(p)),
        version_label=service.version_label,
    )


def _serves(update: Update) -> bool:
    aborted = bool(status_of(update.rollout).get("abort"))
    return update.in_progress and not aborted


def _option(update: Update) -> Option:
    candidate = Candidate(
        release=update.release(update.stable), detail=f"stable ({name_of(update.stable)})"
    )
    return Option(candidate=candidate, aliases=frozenset({"stable", update.hashes[0]}))


async def _preflights(update: Update, world: World) -> tuple[Preflight, ...]:
    cluster, target = world.cluster, update.target
    rights = await check_rights(cluster, target.namespace, _RIGHTS)
    checks: tuple[Preflight, ...] = ()
    if "template" in update.rollout["spec"]:
        operations = guarded(update.rollout, [_template_change(update)])
        checks = (
            await check_patch(cluster, ROLLOUTS, target.namespace, target.rollout, operations),
        )
    else:
        checks = (passed(DRY_RUN, "Only the status is changed."),)
    return (_check_capacity(update), *checks, rights)


def _check_capacity(update: Update) -> Preflight:
    """A router moves all traffic at once; without one the controller exchanges pods gradually."""
    ready = len(ready_names(update.of(update.stable)))
    needed = update.target.full_replicas or update.replicas
    if not update.routed:
        return passed("Capacity", "The controller exchanges the pods little by little.")
    if ready < needed:
        return blocked(
            "Capacity",
            f"The stable side has {ready} ready pods and all traffic needs {needed}: it would be "
            "overloaded (argo-rollouts#3941). Scale it up first, for example by setting the "
            "canary's weight back with dynamicStableScale.",
        )
    return passed("Capacity", f"The stable side has {ready} ready pods, {needed} are needed.")


def _template_change(update: Update) -> FieldChange:
    return FieldChange(
        path=("spec", "template"), old=update.rollout["spec"]["template"], new=update.template
    )


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
        steps=(*guard.steps, *_steps(update, service)),
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


def _steps(update: Update, service: ServiceEntry) -> tuple[Step, ...]:
    target = update.target
    drain = drain_step(
        service,
        target.namespace,
        labels={_HASH: update.hashes[1]},
        name="the canary",
        release=update.release(update.canary),
        timeout=target.drain_timeout.total_seconds(),
    )
    ready = (_ready_step(update),) if update.routed else ()
    back = (_template_step(update),) if "template" in update.rollout["spec"] else ()
    return (*ready, _abort_step(update), drain, *back)


def _ready_step(update: Update) -> Step:
    stable, canary = update.hashes
    needed = update.target.full_replicas or update.replicas
    params = CheckReadyParams(
        namespace=update.target.namespace,
        live={_HASH: canary},
        target={_HASH: stable},
        colour="the stable side",
        at_least=needed,
        patience_seconds=_READY_SECONDS,
    )
    return Step(
        title=f"Check that {needed} stable pods ({update.release(update.stable)}) are ready",
        action=StepSpec(kind=CheckReady.name, params=params.model_dump(mode="json")),
        expects={"ready": needed},
        inverse=None,
        command=kubectl(
            update.target.namespace,
            "wait",
            "--for=condition=Ready",
            "pod",
            "-l",
            f"{_HASH}={stable}",
            f"--timeout={_READY_SECONDS:.0f}s",
        ),
        estimate_seconds=1.0,
        changes=False,
    )


def _abort_step(update: Update) -> Step:
    stable, canary = update.hashes
    target = update.target
    params = AbortRolloutParams(
        namespace=target.namespace,
        rollout=target.rollout,
        stable=stable,
        canary=canary,
        abort=True,
        routed=update.routed,
        patience_seconds=_CONTROLLER_SECONDS,
    )
    undo = params.model_copy(update={"abort": False})
    patch = json.dumps({"status": {"abort": True}})
    return Step(
        title=f"Abort the update of Rollout {target.rollout} to {update.release(update.canary)}",
        action=StepSpec(kind=AbortRollout.name, params=params.model_dump(mode="json")),
        expects={"stableRS": stable, "currentPodHash": canary, "abort": False},
        inverse=StepSpec(kind=AbortRollout.name, params=undo.model_dump(mode="json")),
        command=kubectl(
            target.namespace,
            "patch",
            "rollouts.argoproj.io",
            target.rollout,
            "--subresource=status",
            "--type=merge",
            "-p",
            patch,
        ),
        estimate_seconds=5.0,
        milestone=Milestone.SWITCHED,
    )


def _template_step(update: Update) -> Step:
    target, change = update.target, _template_change(update)
    release = update.release(update.stable)
    params = SetFieldsParams(
        namespace=target.namespace,
        kind=ROLLOUTS,
        name=target.rollout,
        what=f"Rollout {target.rollout}",
        fields=(change,),
        done=f"Rollout {target.rollout} has the template of {release} again.",
        patience_seconds=_CONTROLLER_SECONDS,
    )
    back = FieldChange(path=change.path, old=change.new, new=change.old)
    inverse = params.model_copy(
        update={"fields": (back,), "done": f"Rollout {target.rollout} has its bad template again."}
    )
    return Step(
        title=f"Give Rollout {target.rollout} the template of {release} again, or leaving the "
        "aborted state would start the canary anew",
        action=StepSpec(kind=SetFields.name, params=params.model_dump(mode="json")),
        expects={"template": change.old},
        inverse=StepSpec(kind=SetFields.name, params=inverse.model_dump(mode="json")),
        command=json_patch(
            target.namespace,
            "rollouts.argoproj.io",
            target.rollout,
            guarded(update.rollout, [change]),
        ),
        estimate_seconds=2.0,
    )
