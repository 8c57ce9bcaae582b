"""Argo Rollouts: the controller is told to abort, and its template goes back to the stable one."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import PODS, REPLICA_SETS, Kind, Manifest, Right
from bot.clouds.kubernetes.ownership import last_writer
from bot.clouds.kubernetes.workloads import (
    is_finished,
    is_terminating,
    moment,
    name_of,
    owner_uid,
    ready_names,
    release_of,
    selector_of,
)
from bot.core.errors import PermanentError, RefusedError, WorldMovedError
from bot.core.values import Value, amount
from bot.engine.world import Evidence, Instance, Observation, Observed, StepState, World
from bot.incident.freeze import MarkedObject
from bot.incident.plan import Candidate, Milestone, Plan, Preflight, Step, StepSpec
from strategies.canary.command import Wish
from strategies.canary.target import ArgoRolloutsCanary
from strategies.common.choice import Option
from strategies.common.commands import json_patch
from strategies.common.preflights import blocked, passed
from strategies.common.waiting import Objects, Pending, wait_until
from strategies.freezing import cluster_object
from strategies.kubernetes import evidence
from strategies.kubernetes.drains import drain_step
from strategies.kubernetes.fields import FieldChange, SetFields, SetFieldsParams, guarded
from strategies.kubernetes.gitops import GitOpsGuard, guard_against_gitops
from strategies.kubernetes.pods import ready_step
from strategies.kubernetes.preflights import (
    Write,
    check_rights,
    check_writes,
    to_change,
    to_count,
    to_follow,
)
from strategies.kubernetes.workload import named, the_one

# Step: tell Argo Rollouts to abort, or to try again.

ROLLOUTS = Kind(api_version="argoproj.io/v1alpha1", plural="rollouts")
ROLLOUT_STATUS = Kind(api_version="argoproj.io/v1alpha1", plural="rollouts/status")


class AbortRolloutParams(Value):
    """A Rollout in the middle of an update, by the hashes of its two sides."""

    namespace: str
    rollout: str
    stable: str
    """``status.stableRS``."""
    canary: str
    """``status.currentPodHash``."""
    abort: bool
    """False takes an abort back, as ``kubectl argo rollouts retry`` does."""
    routed: bool
    """A traffic router splits the traffic, so that the controller reports weights."""
    patience_seconds: float


def status_of(rollout: Manifest) -> dict[str, Any]:
    """The status; empty before the controller has written one."""
    return rollout.get("status") or {}


def canary_weight(rollout: Manifest) -> int:
    """Per cent that the controller has last given the canary through its traffic router."""
    weights = (status_of(rollout).get("canary") or {}).get("weights") or {}
    return int((weights.get("canary") or {}).get("weight", 0))


def abort_operations(stable: str, canary: str, *, abort: bool) -> list[Manifest]:
    """The JSON Patch of the status, guarded by tests of both sides' hashes."""
    return [
        {"op": "test", "path": "/status/stableRS", "value": stable},
        {"op": "test", "path": "/status/currentPodHash", "value": canary},
        {"op": "add", "path": "/status/abort", "value": abort},
    ]


class AbortRollout:
    """Writes ``status.abort`` behind tests of both hashes, then waits for the controller.

    An abort with nothing in progress scaled the stable side to zero (argo-rollouts#1292): the
    tests make sure, in the same request, that the update which was approved is still under way.
    """

    name = "abort-rollout"

    async def observe(self, step: Step, world: World) -> Observed:
        """By ``status.abort``; OTHER when another update, or none, is in progress."""
        params = AbortRolloutParams.model_validate(step.action.params)
        rollout = await world.cluster.get(ROLLOUTS, params.namespace, params.rollout)
        status = status_of(rollout)
        done = bool(status.get("abort")) == params.abort and _is_same(params, rollout)
        if done or _is_back(params, rollout):
            summary = f"Rollout {params.rollout} is {_state(params)} already."
            return Observed(state=StepState.AFTER, summary=summary)
        if not _is_same(params, rollout):
            return Observed(
                state=StepState.OTHER,
                summary=_moved(params, rollout).what,
                changed_by=last_writer(rollout, "spec", "template"),
            )
        summary = f"Rollout {params.rollout} is {status.get('phase', 'in progress')}."
        return Observed(state=StepState.BEFORE, summary=summary)

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError when the update that was approved is no longer in progress."""
        params = AbortRolloutParams.model_validate(step.action.params)
        operations = abort_operations(params.stable, params.canary, abort=params.abort)
        try:
            await world.cluster.patch(
                ROLLOUTS, params.namespace, params.rollout, operations, subresource="status"
            )
        except WorldMovedError as error:
            rollout = await world.cluster.get(ROLLOUTS, params.namespace, params.rollout)
            raise _moved(params, rollout) from error

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError when the controller does not follow in time."""
        params = AbortRolloutParams.model_validate(step.action.params)
        try:
            return await wait_until(
                world,
                [named(ROLLOUTS, params.namespace, params.rollout)],
                lambda objects: _check(params, objects),
                patience_seconds=params.patience_seconds,
            )
        except WorldMovedError:
            raise
        except PermanentError as error:
            raise PermanentError(
                f"{error.what} Argo Rollouts has not acted.", "Look at its controller's log."
            ) from error


def _is_same(params: AbortRolloutParams, rollout: Manifest) -> bool:
    status = status_of(rollout)
    found = (status.get("stableRS"), status.get("currentPodHash"))
    return found == (params.stable, params.canary)


def _is_back(params: AbortRolloutParams, rollout: Manifest) -> bool:
    """The Rollout wants the stable release itself: what follows an abort has happened too."""
    return params.abort and status_of(rollout).get("currentPodHash") == params.stable


def _state(params: AbortRolloutParams) -> str:
    return "aborted" if params.abort else "trying again"


def _moved(params: AbortRolloutParams, rollout: Manifest) -> WorldMovedError:
    status = status_of(rollout)
    stable, canary = status.get("stableRS"), status.get("currentPodHash")
    by = last_writer(rollout, "spec", "template")
    if stable == canary:
        return WorldMovedError(
            f"Rollout {params.rollout} has nothing in progress any more: {canary} is stable "
            f"(template last changed by {by}). An abort now could scale it to zero.",
            "Plan again.",
        )
    return WorldMovedError(
        f"Rollout {params.rollout} goes from {stable} to {canary} now (template last changed by "
        f"{by}).",
        "Plan again.",
    )


def _check(params: AbortRolloutParams, objects: Objects) -> Pending | str:
    rollout = the_one(objects[0], f"Rollout {params.rollout}")
    if _is_back(params, rollout):
        return f"Rollout {params.rollout} is on its stable release."
    if not _is_same(params, rollout):
        raise _moved(params, rollout)
    status = status_of(rollout)
    if bool(status.get("abort")) != params.abort:
        raise WorldMovedError(f"The abort of Rollout {params.rollout} was taken back.")
    if not params.abort:
        return f"Rollout {params.rollout} tries again."
    phase, weight = status.get("phase"), canary_weight(rollout)
    if phase != "Degraded" or (params.routed and weight):
        return Pending(
            summary=f"Rollout {params.rollout} is {phase}, its canary still has {weight} %",
            progress=str(weight),
        )
    return f"Rollout {params.rollout} is aborted; all new requests reach {params.stable}."


# An update of an Argo Rollout as it is now: its two sides, their pods, and what users meet.

POD_HASH = "rollouts-pod-template-hash"
"""Label by which the controller tells the sides' pods apart."""


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
        (bare["metadata"].get("labels") or {}).pop(POD_HASH, None)
        return bare


async def read_update(target: ArgoRolloutsCanary, service: ServiceEntry, world: World) -> Update:
    """The Rollout, its ReplicaSets and pods. Raises RefusedError when there is no stable one."""
    rollout = await world.cluster.get(ROLLOUTS, target.namespace, target.rollout)
    labels, uid = selector_of(rollout), rollout["metadata"]["uid"]
    replica_sets, pods = await asyncio.gather(
        world.cluster.list(REPLICA_SETS, target.namespace, labels=labels),
        world.cluster.list(PODS, target.namespace, labels=labels),
    )
    own = {
        one["metadata"]["labels"].get(POD_HASH): one
        for one in replica_sets
        if owner_uid(one) == uid
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


def serves(update: Update) -> bool:
    """Whether users meet the canary: an aborted one gets no more traffic."""
    aborted = bool(status_of(update.rollout).get("abort"))
    return update.in_progress and not aborted


def option_of(update: Update) -> Option:
    """The stable release, as a person may name it."""
    candidate = Candidate(
        release=update.release(update.stable), detail=f"stable ({name_of(update.stable)})"
    )
    return Option(candidate=candidate, aliases=frozenset({"stable", update.hashes[0]}))


# The steps that take an Argo Rollout back to its stable release.

_CONTROLLER_SECONDS = 60.0
_RESOURCE = "rollouts.argoproj.io"


def steps_of(update: Update, service: ServiceEntry) -> tuple[Step, ...]:
    """Stable ready, abort, drain, and the bad template taken away."""
    target = update.target
    drain = drain_step(
        service,
        target.namespace,
        labels={POD_HASH: update.hashes[1]},
        name="the canary",
        release=update.release(update.canary),
        timeout=target.drain_timeout.total_seconds(),
    )
    ready = (_ready_step(update),) if update.routed else ()
    back = (_template_step(update),) if "template" in update.rollout["spec"] else ()
    return (*ready, _abort_step(update), drain, *back)


def writes_of(update: Update) -> tuple[Write, ...]:
    """What the steps send to the API server, for dry runs."""
    target = update.target
    where = {"kind": ROLLOUTS, "namespace": target.namespace, "name": target.rollout}
    stable, canary = update.hashes
    abort = tuple(abort_operations(stable, canary, abort=True))
    status = Write.model_validate({**where, "operations": abort, "subresource": "status"})
    if "template" not in update.rollout["spec"]:
        return (status,)
    patch = tuple(guarded(update.rollout, [template_change(update)]))
    return (status, Write.model_validate({**where, "operations": patch}))


def _ready_step(update: Update) -> Step:
    stable, canary = update.hashes
    needed = update.target.full_replicas or update.replicas
    return ready_step(
        update.target.namespace,
        title=f"Check that {needed} stable pods ({update.release(update.stable)}) are ready",
        live={POD_HASH: canary},
        target={POD_HASH: stable},
        name="the stable side",
        expects={"ready": needed},
        at_least=needed,
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
    return Step(
        title=f"Abort the update of Rollout {target.rollout} to {update.release(update.canary)}",
        action=StepSpec(kind=AbortRollout.name, params=params.model_dump(mode="json")),
        expects={"stableRS": stable, "currentPodHash": canary, "abort": False},
        inverse=StepSpec(
            kind=AbortRollout.name,
            params=undo.model_dump(mode="json"),
            command=_abort_command(undo),
        ),
        command=_abort_command(params),
        estimate_seconds=5.0,
        milestone=Milestone.SWITCHED,
    )


def _abort_command(params: AbortRolloutParams) -> str:
    """With the tests: an abort with nothing in progress scales the stable side to zero."""
    return json_patch(
        params.namespace,
        _RESOURCE,
        params.rollout,
        abort_operations(params.stable, params.canary, abort=params.abort),
        subresource="status",
    )


def _template_step(update: Update) -> Step:
    target, change = update.target, template_change(update)
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
    back = change.undone
    inverse = params.model_copy(
        update={"fields": (back,), "done": f"Rollout {target.rollout} has its bad template again."}
    )
    return Step(
        title=f"Give Rollout {target.rollout} the template of {release} again, or leaving the "
        "aborted state would start the canary anew",
        action=StepSpec(kind=SetFields.name, params=params.model_dump(mode="json")),
        expects={"template": change.old},
        inverse=StepSpec(
            kind=SetFields.name,
            params=inverse.model_dump(mode="json"),
            command=json_patch(
                target.namespace, _RESOURCE, target.rollout, guarded(update.rollout, [back])
            ),
        ),
        command=json_patch(
            target.namespace, _RESOURCE, target.rollout, guarded(update.rollout, [change])
        ),
        estimate_seconds=2.0,
    )


def template_change(update: Update) -> FieldChange:
    """From the bad template to the stable one."""
    return FieldChange(
        path=("spec", "template"), old=update.rollout["spec"]["template"], new=update.template
    )


RIGHTS = (
    *to_change(ROLLOUTS),
    Right(verb="patch", kind=ROLLOUT_STATUS),
    Right(verb="list", kind=REPLICA_SETS),
    *to_follow(PODS),
)


class ArgoCanary:
    """See ``strategies.canary.command.CanaryCommand``."""

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
