"""A canary and its stable side as two Deployments, as they are now."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import DEPLOYMENTS, PODS, Manifest
from bot.clouds.kubernetes.rollouts import own_pods
from bot.clouds.kubernetes.workloads import (
    is_finished,
    name_of,
    owner_of,
    ready_names,
    release_of,
    selector_of,
    selector_text,
    selects,
)
from bot.core.errors import ConfigurationError
from bot.core.values import amount
from bot.engine.world import World
from bot.incident.plan import Candidate, Preflight
from strategies.canary.target import FlaggerCanary, PairCanary
from strategies.canary.traffic import Traffic, read_traffic
from strategies.common.choice import Option
from strategies.common.preflights import blocked, passed, warned
from strategies.kubernetes.scalers import Scalers, find_scalers
from strategies.kubernetes.workload import revisions

CAPACITY = "Capacity"
OWNER = "Controller"
SELECTOR = "Selector"
_TOLERANCE = 1.1
"""An autoscaler does not act on less (``--horizontal-pod-autoscaler-tolerance``, 0.1)."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two Deployments."""

    name: str
    deployment: Manifest
    release: str
    pods: tuple[Manifest, ...]
    scalers: Scalers

    @property
    def ready(self) -> int:
        """Pods that can take traffic now."""
        return len(ready_names(self.pods))

    @property
    def replicas(self) -> int:
        """Pods that there are to be."""
        return int(self.deployment["spec"].get("replicas", 1))

    @property
    def labels(self) -> dict[str, str]:
        """What tells its pods apart. Raises ConfigurationError when that is not labels alone."""
        selector = self.deployment["spec"]["selector"]
        labels: dict[str, str] = selector.get("matchLabels") or {}
        if selector.get("matchExpressions") or not labels:
            raise ConfigurationError(
                f"Deployment {self.name} selects its pods by expressions; a canary needs labels."
            )
        return labels


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Both sides and what splits the traffic between them."""

    target: PairCanary | FlaggerCanary
    stable: Side
    canary: Side
    traffic: Traffic | None

    @property
    def share(self) -> float:
        """Part of the traffic that the canary gets, between 0 and 1."""
        if self.traffic is not None:
            return self.traffic.share
        total = self.stable.ready + self.canary.ready
        return self.canary.ready / total if total else 0.0

    @property
    def serves(self) -> bool:
        """Whether the canary gets any requests."""
        always = bool(self.traffic and self.traffic.always)
        return self.canary.replicas > 0 and (self.share > 0 or always)

    @property
    def needed(self) -> int:
        """Ready pods of the stable side that can carry all traffic."""
        if self.target.full_replicas is not None:
            return self.target.full_replicas
        own = max(1, self.stable.replicas, self.canary.ready)
        scaler = self.stable.scalers.owner
        if scaler is None or not 0 < self.share < 1:
            return own
        # It was scaled for its part of the traffic; this is what all of it would take.
        whole = math.ceil(self.stable.ready / (1 - self.share))
        if whole <= self.stable.ready * _TOLERANCE:
            return own
        return max(own, min(whole, scaler.maximum))

    @property
    def option(self) -> Option:
        """Where one can go back to."""
        detail = f"stable (Deployment {self.stable.name})"
        candidate = Candidate(release=self.stable.release, detail=detail)
        return Option(candidate=candidate, aliases=frozenset({"stable", self.stable.name}))


async def read_pair(target: PairCanary, service: ServiceEntry, world: World) -> Pair:
    """Read both Deployments, their pods and scalers, and the splitting object."""
    stable, canary, traffic = await asyncio.gather(
        read_side(target.stable, target.namespace, service, world),
        read_side(target.canary, target.namespace, service, world),
        read_traffic(target, world.cluster),
    )
    return Pair(target=target, stable=stable, canary=canary, traffic=traffic)


def check_capacity(pair: Pair) -> Preflight:
    """Without full capacity the traffic that comes back would overload the stable side.

    That is what happened to peers: flagger#869, argo-rollouts#3941.
    """
    ready, needed = pair.stable.ready, pair.needed
    pods = amount(ready, "ready pod")
    counted = f"{pair.stable.name} has {pods} and {pair.share:.0%} goes to the canary"
    if ready < needed:
        return blocked(
            CAPACITY,
            f"{counted}; all traffic needs {needed}. Scale Deployment {pair.stable.name} up to "
            f"{needed} first, or state full_replicas in rollback.yml.",
        )
    if pair.traffic is None and pair.target.full_replicas is None and pair.canary.ready:
        more = pair.canary.ready / ready
        return warned(CAPACITY, f"{counted}: each of its pods gets {more:.0%} more requests.")
    return passed(CAPACITY, f"{counted}; {needed} can carry all traffic.")


def check_selector(pair: Pair) -> Preflight:
    """The two sides must not count each other's pods."""
    labels = pair.canary.deployment["spec"]["template"]["metadata"].get("labels") or {}
    if selects(pair.stable.deployment["spec"]["selector"], labels):
        return blocked(
            SELECTOR,
            f"The selector of Deployment {pair.stable.name} ({selector_text(pair.stable.labels)}) "
            f"also selects the pods of {pair.canary.name}: they cannot be told apart.",
        )
    return passed(SELECTOR, "Each Deployment selects its own pods only.")


def check_owner(pair: Pair) -> Preflight:
    """An object with a controller is commanded, not fought."""
    objects = [pair.stable.deployment, pair.canary.deployment]
    objects += [pair.traffic.manifest] if pair.traffic else []
    for manifest in objects:
        owner = owner_of(manifest)
        if owner.get("kind") in {"Canary", "Rollout"}:
            traffic = "flagger" if owner["kind"] == "Canary" else "argo-rollouts"
            return blocked(
                OWNER,
                f"{manifest['kind']} {name_of(manifest)} belongs to {owner['kind']} "
                f"{owner['name']}, whose controller would undo the change. Use traffic: {traffic} "
                "in rollback.yml.",
            )
    return passed(OWNER, "No canary controller owns the objects.")


async def read_side(name: str, namespace: str, service: ServiceEntry, world: World) -> Side:
    """One Deployment with its pods and scalers; raises NotFoundError."""
    deployment = await world.cluster.get(DEPLOYMENTS, namespace, name)
    history, pods, scalers = await asyncio.gather(
        revisions(world, namespace, deployment),
        world.cluster.list(PODS, namespace, labels=selector_of(deployment)),
        find_scalers(world.cluster, namespace, name),
    )
    mine = own_pods(pods, history, deployment)
    return Side(
        name=name,
        deployment=deployment,
        release=release_of(deployment["spec"]["template"], service.version_label),
        pods=tuple(pod for pod in mine if not is_finished(pod)),
        scalers=scalers,
    )
