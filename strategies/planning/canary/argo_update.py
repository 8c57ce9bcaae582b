"""An update of an Argo Rollout as it is now: its two sides, their pods, and what users meet."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from bot.config.targets.canary import ArgoRolloutsCanary
from bot.domain.plan import Candidate
from bot.domain.releases import release_of
from bot.domain.workloads import is_finished, name_of, owner_uid, selector_of
from bot.errors import RefusedError
from bot.ports.cluster import PODS, REPLICA_SETS, Manifest
from bot.ports.world import World
from strategies.steps.abort_rollout import ROLLOUTS, status_of
from strategies.targets import Option

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
