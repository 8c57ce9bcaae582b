"""The plan of a blue-green rollback: its preflights, and what must be said before approval."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from bot.catalog.service import ServiceEntry
from bot.catalog.target import Target
from bot.catalog.types import Duration, Namespace
from bot.clouds.kubernetes.objects import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    PODS,
    SERVICES,
    Manifest,
    Right,
)
from bot.clouds.kubernetes.ownership import last_write
from bot.clouds.kubernetes.rollouts import doomed_reason
from bot.clouds.kubernetes.workloads import (
    is_finished,
    labels_of,
    name_of,
    ready_names,
    release_of,
    selector_text,
    selects,
)
from bot.core.errors import ConfigurationError, NotFoundError, PermanentError
from bot.core.values import Value, amount
from bot.engine.world import World
from bot.incident.plan import Candidate, Milestone, Plan, Preflight, Step, StepSpec
from strategies.blue_green.switch_service import (
    SwitchService,
    SwitchServiceParams,
    switch_operations,
)
from strategies.common.commands import json_patch, version_url
from strategies.common.preflights import blocked, or_unknown, passed, warned
from strategies.kubernetes.drains import drain_step
from strategies.kubernetes.gitops import GitOpsGuard
from strategies.kubernetes.pods import ready_step
from strategies.kubernetes.preflights import CONFIGURATION as REFERENCES
from strategies.kubernetes.preflights import (
    check_patch,
    check_references,
    check_rights,
    to_change,
    to_count,
    to_follow,
)
from strategies.kubernetes.scalers import AUTOSCALER, BUDGET, check_autoscaler, check_budget
from strategies.kubernetes.workload import current, live_since, revisions

# Rolling back on Kubernetes by a Service's selector.


class BlueGreenTarget(Target):
    """A Kubernetes Service whose selector chooses between two sets of pods."""

    strategy: Literal["blue-green"]
    namespace: Namespace
    service: str
    """Name of the Service that is switched."""
    label: str = "version"
    """The selector key that tells the colours apart."""
    deployments: dict[str, str] = Field(min_length=2)
    """Value of the label → name of the Deployment."""
    drain_timeout: Duration = timedelta(seconds=60)
    """How long open connections to the old colour are waited for."""


# The colours of a blue-green service, as they are now.


@dataclass(frozen=True, kw_only=True)
class Colour:
    """One of the sets of pods. ``deployment`` is None when it does not exist."""

    name: str
    deployment_name: str
    deployment: Manifest | None
    release: str
    selector: dict[str, str]
    """What the Service selects when it points here."""
    stale_keys: tuple[str, ...]
    """Keys of the live selector that these pods do not have, and that must not stay."""
    pods: tuple[Manifest, ...]

    @property
    def ready(self) -> int:
        """Pods that can take traffic now."""
        return len(ready_names(self.pods))

    @property
    def detail(self) -> str:
        """Where it is, without passing figures."""
        return f"{self.name} (Deployment {self.deployment_name})"


@dataclass(frozen=True, kw_only=True)
class Colours:
    """All colours and which one is live."""

    target: BlueGreenTarget
    service: Manifest
    live: Colour
    others: tuple[Colour, ...]
    """The most recently changed first."""

    @property
    def selector(self) -> dict[str, str]:
        """The live selector."""
        selector: dict[str, str] = self.service["spec"]["selector"]
        return selector


async def read_colours(service: ServiceEntry, world: World) -> Colours:
    """Read the Service, every colour's Deployment and pods.

    Raises ConfigurationError when catalog and Service do not fit each other.
    """
    target = service.target(BlueGreenTarget)
    manifest = await world.cluster.get(SERVICES, target.namespace, target.service)
    selector = manifest["spec"].get("selector") or {}
    live = selector.get(target.label)
    if live not in target.deployments:
        raise ConfigurationError(
            f"Service {target.service} selects {selector_text(selector) or 'nothing'}, but the "
            f"catalog knows {target.label} = {', '.join(sorted(target.deployments))}.",
            "Correct rollback.yml or the Service's selector.",
        )
    colours = await asyncio.gather(
        *(
            _colour(name, service, target, selector, world, live=name == live)
            for name in target.deployments
        )
    )
    by_name = {colour.name: colour for colour in colours}
    if by_name[live].deployment is None:
        raise PermanentError(
            f"Deployment {target.deployments[live]} of the live colour {live} does not exist.",
            "Correct rollback.yml.",
        )
    others = [colour for colour in colours if colour.name != live]
    return Colours(
        target=target,
        service=manifest,
        live=by_name[live],
        others=tuple(sorted(others, key=_changed, reverse=True)),
    )


async def live_colour_since(colours: Colours, world: World) -> datetime | None:
    """When the live release began to serve: by the switch or by a rollout into its colour."""
    switched = last_write(colours.service, "spec", "selector")
    deployment = colours.live.deployment
    if deployment is None or switched is None or switched.at is None:
        return None
    replica_sets = await revisions(world, colours.target.namespace, deployment)
    rolled_out = live_since(deployment, current(deployment, replica_sets))
    return max(switched.at, rolled_out) if rolled_out else switched.at


async def _colour(
    name: str,
    service: ServiceEntry,
    target: BlueGreenTarget,
    live_selector: dict[str, str],
    world: World,
    *,
    live: bool,
) -> Colour:
    deployment_name = target.deployments[name]
    try:
        deployment = await world.cluster.get(DEPLOYMENTS, target.namespace, deployment_name)
    except NotFoundError:
        deployment = None
    template = deployment["spec"]["template"] if deployment else {}
    wanted = {**live_selector, target.label: name}
    stale = () if live else _stale(wanted, target.label, labels_of(template))
    selector = {key: value for key, value in wanted.items() if key not in stale}
    pods = await world.cluster.list(PODS, target.namespace, labels=selector_text(selector))
    return Colour(
        name=name,
        deployment_name=deployment_name,
        deployment=deployment,
        release=release_of(template, service.version_label) if deployment else "",
        selector=selector,
        stale_keys=stale,
        pods=tuple(pod for pod in pods if not is_finished(pod)),
    )


def _stale(wanted: dict[str, str], label: str, labels: dict[str, str]) -> tuple[str, ...]:
    """Keys that the colour's pods do not carry: left over from a merge into the selector."""
    return tuple(
        sorted(key for key, value in wanted.items() if key != label and labels.get(key) != value)
    )


def _changed(colour: Colour) -> tuple[str, str]:
    """When the colour's Deployment last made progress, as sortable text."""
    if colour.deployment is None:
        return ("", colour.name)
    conditions = (colour.deployment.get("status") or {}).get("conditions") or []
    times = [str(one.get("lastUpdateTime") or "") for one in conditions]
    created = str(colour.deployment["metadata"].get("creationTimestamp") or "")
    return (max([created, *times]), name_of(colour.deployment))


# The steps of a blue-green rollback.

_ARRIVAL_SECONDS = 60.0
"""Patience for endpoints and proxies to follow the selector."""


@dataclass(frozen=True, kw_only=True)
class BlueGreenChange:
    """From the live colour to another one, and the steps that lead there."""

    service: ServiceEntry
    colours: Colours
    colour: Colour
    guard: GitOpsGuard

    @property
    def target(self) -> BlueGreenTarget:
        """The catalog's entry."""
        return self.colours.target

    @property
    def deployment(self) -> Manifest:
        """The Deployment of the chosen colour."""
        if self.colour.deployment is None:
            raise PermanentError(f"Deployment {self.colour.deployment_name} does not exist.")
        return self.colour.deployment

    def steps(self) -> tuple[Step, ...]:
        """In order."""
        return (
            *self.guard.steps,
            self._ready_step(),
            self._switch_step(),
            self._drain_step(),
        )

    def operations(self) -> list[Manifest]:
        """The JSON Patch of the change."""
        return switch_operations(self.colours.selector, self.colour.selector)

    def _ready_step(self) -> Step:
        return ready_step(
            self.target.namespace,
            title=f"Check that {self.colour.name} ({self.colour.release}) is ready",
            live=self.colours.selector,
            target=self.colour.selector,
            name=self.colour.name,
            expects={"selector": dict(self.colours.selector)},
        )

    def _switch_step(self) -> Step:
        params = SwitchServiceParams(
            namespace=self.target.namespace,
            service=self.target.service,
            old=self.colours.selector,
            new=self.colour.selector,
            release=self.colour.release,
            url=version_url(self.service),
            patience_seconds=_ARRIVAL_SECONDS,
        )
        inverse = params.model_copy(
            update={"old": params.new, "new": params.old, "release": self.colours.live.release}
        )
        return Step(
            title=f"Switch Service {self.target.service} to {self.colour.name} "
            f"({self.colour.release})",
            action=_spec(SwitchService.name, params),
            expects={"selector": dict(self.colours.selector)},
            inverse=_spec(SwitchService.name, inverse).model_copy(
                update={
                    "command": json_patch(
                        self.target.namespace,
                        "service",
                        self.target.service,
                        switch_operations(self.colour.selector, self.colours.selector),
                    )
                }
            ),
            command=json_patch(
                self.target.namespace, "service", self.target.service, self.operations()
            ),
            estimate_seconds=3.0,
            milestone=Milestone.SWITCHED,
        )

    def _drain_step(self) -> Step:
        return drain_step(
            self.service,
            self.target.namespace,
            labels=self.colours.selector,
            name=self.colours.live.name,
            release=self.colours.live.release,
            timeout=self.target.drain_timeout.total_seconds(),
            expects={"selector": dict(self.colour.selector)},
        )


def _spec(kind: str, params: Value) -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"))


# Can the other colour take the live one's traffic?

CAPACITY = "Capacity"
ROLLOUT = "Rollout"
SELECTOR = "Selector"


def check_capacity(live: Colour, target: Colour) -> Preflight:
    """Compares ready pods, counted from the pods: the Service shows the live colour only."""
    doomed = [f"{name_of(pod)}: {doomed_reason(pod)}" for pod in target.pods if doomed_reason(pod)]
    trouble = f" ({doomed[0]})" if doomed else ""
    counted = f"{target.name} has {amount(target.ready, 'ready pod')}, {live.name} has {live.ready}"
    if target.ready == 0:
        return blocked(
            CAPACITY,
            f"{target.name} is not ready: none of its {amount(len(target.pods), 'pod')} is"
            f"{trouble}. Scale Deployment {target.deployment_name} up first.",
        )
    if target.ready < live.ready:
        return blocked(
            CAPACITY,
            f"{counted}{trouble}. Scale Deployment {target.deployment_name} up to at least "
            f"{live.ready} first.",
        )
    wanted = live.deployment["spec"].get("replicas", 1) if live.deployment else 0
    if target.ready < wanted:
        return warned(
            CAPACITY, f"{counted}, but {live.name} is meant to have {wanted}: it may be too few."
        )
    return passed(CAPACITY, f"{counted}.")


def check_target_rollout(target: Colour, version_label: str) -> Preflight:
    """A target in the middle of a rollout serves two releases at once."""
    deployment = target.deployment or {"spec": {}, "metadata": {}}
    status = deployment.get("status") or {}
    paused = bool(deployment["spec"].get("paused"))
    mixed = {release_of(pod, version_label) for pod in target.pods} - {target.release}
    unseen = deployment["metadata"].get("generation", 0) > status.get("observedGeneration", 0)
    if mixed or unseen or status.get("updatedReplicas", 0) < status.get("replicas", 0):
        also = f" and still runs {', '.join(sorted(mixed))}" if mixed else ""
        return blocked(
            ROLLOUT,
            f"Deployment {target.deployment_name} is in the middle of "
            f"{'a paused' if paused else 'a'} rollout{also}. Let it finish or choose another "
            "release.",
        )
    if paused:
        return warned(
            ROLLOUT,
            f"Deployment {target.deployment_name} is paused; its pods run {target.release} and "
            "stay as they are.",
        )
    return passed(ROLLOUT, f"All pods of {target.name} are {target.release}.")


def check_selector(target: Colour, live: Colour) -> Preflight:
    """The new selector must select the target's pods and no others."""
    selector = (target.deployment or {"spec": {}})["spec"].get("selector")
    strangers = [
        name_of(pod)
        for pod in target.pods
        if not selects(selector, pod["metadata"].get("labels") or {})
    ]
    text = selector_text(target.selector)
    if strangers:
        return blocked(
            SELECTOR,
            f"{text} also selects pods that are not those of Deployment "
            f"{target.deployment_name}: {', '.join(sorted(strangers))}.",
        )
    if target.stale_keys:
        stale = ", ".join(f"{key}={live.selector[key]}" for key in target.stale_keys)
        return warned(
            SELECTOR,
            f"The live selector holds {stale}, which no pod of {target.name} has; the plan "
            f"leaves it out and selects {text}.",
        )
    return passed(SELECTOR, f"{text} selects the pods of Deployment {target.deployment_name}.")


RIGHTS = (
    *to_change(SERVICES),
    Right(verb="get", kind=DEPLOYMENTS),
    *to_follow(ENDPOINT_SLICES, PODS),
)


@dataclass(frozen=True, kw_only=True)
class BlueGreenPlan:
    """A change with everything that is known about it."""

    name: str
    change: BlueGreenChange

    async def preflights(self, world: World) -> tuple[Preflight, ...]:
        """Everything that can be known before."""
        change, cluster = self.change, world.cluster
        namespace, name = change.target.namespace, change.target.service
        checks = await asyncio.gather(
            check_rights(cluster, namespace, (*RIGHTS, *to_count(change.service))),
            or_unknown(
                REFERENCES,
                check_references(cluster, namespace, self.change.deployment["spec"]["template"]),
            ),
            or_unknown(AUTOSCALER, check_autoscaler(cluster, namespace, self.change.deployment)),
            or_unknown(BUDGET, check_budget(cluster, namespace, self.change.deployment)),
            check_patch(cluster, SERVICES, namespace, name, change.operations()),
        )
        return (
            check_capacity(self.change.colours.live, self.change.colour),
            check_target_rollout(self.change.colour, self.change.service.version_label),
            check_selector(self.change.colour, self.change.colours.live),
            *checks,
            change.guard.preflight,
        )

    def build(
        self,
        *,
        preflights: tuple[Preflight, ...],
        candidates: tuple[Candidate, ...],
        observed_at: datetime,
    ) -> Plan:
        """The whole plan."""
        live = self.change.colours.live
        return Plan(
            service=self.name,
            strategy="blue-green",
            from_release=live.release,
            to_release=self.change.colour.release,
            steps=self.change.steps(),
            preflights=preflights,
            not_restored=(
                f"the pods of {live.detail}: they keep running without traffic, for debugging",
                "the number of replicas of either colour",
                "the content of ConfigMaps",
                "the content of Secrets",
                *self.change.guard.not_restored,
            ),
            candidates=candidates,
            observed={
                "service": f"{self.change.target.namespace}/{self.change.target.service}",
                "selector": dict(self.change.colours.selector),
                "live": live.name,
                "target": self.change.colour.name,
            },
            observed_at=observed_at,
        )
