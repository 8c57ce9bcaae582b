"""The steps that take a canary of two Deployments out of service."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import AUTOSCALERS, DEPLOYMENTS, PODS, REPLICA_SETS, Kind, Right
from bot.clouds.kubernetes.rollouts import bare_template
from bot.clouds.kubernetes.workloads import is_terminating, release_of, selector_text
from bot.core.errors import RefusedError
from bot.core.values import Value, amount
from bot.engine.world import Evidence, Instance, Observation, World
from bot.incident.freeze import MarkedObject
from bot.incident.plan import Candidate, Milestone, Plan, Preflight, Step, StepSpec
from strategies.canary.command import Wish
from strategies.canary.pair import Pair, check_capacity, check_owner, check_selector, read_pair
from strategies.canary.target import PairCanary
from strategies.canary.traffic import Traffic
from strategies.common.commands import json_patch, kubectl, version_url
from strategies.common.preflights import warned
from strategies.freezing import deployments
from strategies.kubernetes import evidence
from strategies.kubernetes.drains import drain_step
from strategies.kubernetes.fields import SetFields, SetFieldsParams, guarded, with_fields
from strategies.kubernetes.gitops import GitOpsGuard, guard_against_gitops
from strategies.kubernetes.pods import end_patience, gone_step, ready_step
from strategies.kubernetes.preflights import (
    Write,
    check_rights,
    check_writes,
    scaling,
    to_change,
    to_count,
    to_follow,
)
from strategies.kubernetes.rollouts import grace_seconds
from strategies.kubernetes.scale import Scale, ScaleParams
from strategies.kubernetes.scalers import SCALED_OBJECTS, check_scalers, pause_step, pausing
from strategies.kubernetes.workload import RolloutParams, current, live_since, revisions

_ARRIVAL_SECONDS = 60.0
"""Patience for gateways and proxies to follow."""


@dataclass(frozen=True, kw_only=True)
class CanarySteps:
    """Stable ready, weight 0, drained, scaler paused, scaled to 0: always in this order."""

    service: ServiceEntry
    pair: Pair

    def all(self) -> tuple[Step, ...]:
        """In order; a step that has nothing to do is left out."""
        pair = self.pair
        scaler = pair.canary.scalers.scaled_object
        pause = (pause_step(self._namespace, scaler),) if scaler and not scaler.paused else ()
        if pair.traffic is None:
            return (self.ready_step(), *pause, self._down_step(), self.gone_step())
        weight = (self._weight_step(pair.traffic),) if pair.traffic.fields else ()
        drain = drain_step(
            self.service,
            self._namespace,
            labels=pair.canary.labels,
            name=pair.canary.name,
            release=pair.canary.release,
            timeout=pair.target.drain_timeout.total_seconds(),
        )
        return (self.ready_step(), *weight, drain, *pause, self._down_step())

    @property
    def _namespace(self) -> str:
        return self.pair.target.namespace

    def ready_step(self) -> Step:
        """The stable side can carry all traffic."""
        stable, needed = self.pair.stable, self.pair.needed
        return ready_step(
            self._namespace,
            title=f"Check that {stable.name} ({stable.release}) has {amount(needed, 'ready pod')} "
            "for all traffic",
            live=self.pair.canary.labels,
            target=stable.labels,
            name=stable.name,
            expects={"ready": needed},
            at_least=needed,
        )

    def _weight_step(self, traffic: Traffic) -> Step:
        params = SetFieldsParams(
            namespace=self._namespace,
            kind=traffic.kind,
            name=traffic.name,
            what=traffic.what,
            fields=traffic.fields,
            done=f"{traffic.what} sends nothing to {self.pair.canary.release} any more.",
            accepted=traffic.accepted,
            release=self.pair.stable.release,
            url=version_url(self.service),
            patience_seconds=_ARRIVAL_SECONDS,
        )
        back = tuple(one.undone for one in traffic.fields)
        inverse = params.model_copy(
            update={
                "fields": back,
                "done": f"{traffic.what} splits the traffic as before.",
                "release": "",
                "url": "",
            }
        )
        also = f", and the canary's {traffic.always}" if traffic.always else ""
        resource = f"{traffic.kind.plural}.{traffic.kind.api_version.partition('/')[0]}"
        changed = with_fields(traffic.manifest, traffic.fields)
        return Step(
            title=f"Give the canary 0 % instead of {traffic.share:.0%} in {traffic.what}{also}",
            action=_spec(SetFields.name, params),
            expects={".".join(one.path): one.old for one in traffic.fields},
            inverse=_spec(
                SetFields.name,
                inverse,
                json_patch(self._namespace, resource, traffic.name, guarded(changed, back)),
            ),
            command=json_patch(
                self._namespace,
                resource,
                traffic.name,
                guarded(traffic.manifest, traffic.fields),
            ),
            estimate_seconds=3.0,
            milestone=Milestone.SWITCHED,
        )

    @property
    def _canary_pods(self) -> RolloutParams:
        side = self.pair.canary
        return RolloutParams(
            namespace=self._namespace,
            workload=side.name,
            template=bare_template(side.deployment["spec"]["template"]),
            release=side.release,
        )

    @property
    def _grace(self) -> float:
        return grace_seconds(self.pair.canary.deployment["spec"]["template"])

    def _scale(self, old: int, new: int, **more: object) -> StepSpec:
        side = self.pair.canary
        params = ScaleParams.model_validate(
            {
                **self._canary_pods.model_dump(),
                "recorded": old,
                "replicas": new,
                "exact": side.scalers.owner is None,
                "patience_seconds": end_patience(self._grace),
                **more,
            }
        )
        command = kubectl(self._namespace, "scale", f"deployment/{side.name}", f"--replicas={new}")
        return _spec(Scale.name, params, command)

    def _down_step(self) -> Step:
        side, replicas_are_weight = self.pair.canary, self.pair.traffic is None
        down = self._scale(side.replicas, 0, empty=not replicas_are_weight)
        return Step(
            title=f"Scale Deployment {side.name} ({side.release}) down from {side.replicas} to 0",
            action=down.model_copy(update={"command": ""}),
            expects={"replicas": side.replicas},
            inverse=self._scale(0, side.replicas, ready=True),
            command=down.command,
            estimate_seconds=2.0,
            milestone=Milestone.SWITCHED if replicas_are_weight else None,
        )

    def gone_step(self) -> Step:
        """The canary has no pod any more."""
        return gone_step(
            self._canary_pods,
            labels=selector_text(self.pair.canary.labels),
            grace=self._grace,
            milestone=Milestone.DRAINED,
        )


def _spec(kind: str, params: Value, command: str = "") -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"), command=command)


# The plan of a canary rollback: its preflights, and what must be said before approval.

RIGHTS = (
    *to_change(DEPLOYMENTS),
    *to_follow(REPLICA_SETS, PODS),
    Right(verb="list", kind=AUTOSCALERS),
)


@dataclass(frozen=True, kw_only=True)
class CanaryPlan:
    """Both sides with everything that is known about them."""

    name: str
    service: ServiceEntry
    pair: Pair

    async def guard(self, world: World) -> GitOpsGuard:
        """Against automation that would give the canary its traffic again."""
        traffic, canary = self.pair.traffic, self.pair.canary
        if traffic is not None:
            return await guard_against_gitops(world.cluster, traffic.manifest, traffic.what)
        what = f"Deployment {canary.name}"
        return await guard_against_gitops(world.cluster, canary.deployment, what)

    async def preflights(self, world: World) -> tuple[Preflight, ...]:
        """Everything that can be known before."""
        rights, dry_run = await asyncio.gather(
            check_rights(world.cluster, self.pair.target.namespace, self._rights()),
            self._dry_run(world),
        )
        canary = self.pair.canary
        return (
            check_capacity(self.pair),
            check_selector(self.pair),
            check_owner(self.pair),
            *self._always(),
            check_scalers(canary.scalers, canary.name, restored=None),
            dry_run,
            rights,
        )

    def build(
        self,
        *,
        guard: GitOpsGuard,
        preflights: tuple[Preflight, ...],
        candidates: tuple[Candidate, ...],
        observed_at: datetime,
    ) -> Plan:
        """The whole plan."""
        pair = self.pair
        return Plan(
            service=self.name,
            strategy="canary",
            from_release=pair.canary.release,
            to_release=pair.stable.release,
            steps=(*guard.steps, *CanarySteps(service=self.service, pair=pair).all()),
            preflights=(*preflights, guard.preflight),
            not_restored=(
                f"Deployment {pair.canary.name}: it keeps {pair.canary.release} at 0 replicas",
                "the content of ConfigMaps and Secrets",
                *guard.not_restored,
            ),
            candidates=candidates,
            observed={
                "namespace": pair.target.namespace,
                "traffic": pair.target.traffic,
                "stable": pair.stable.name,
                "canary": pair.canary.name,
                "canary_replicas": pair.canary.replicas,
                "needed": pair.needed,
            },
            observed_at=observed_at,
        )

    def _rights(self) -> tuple[Right, ...]:
        traffic = self.pair.traffic
        split = to_change(traffic.kind) if traffic else ()
        keda = to_change(SCALED_OBJECTS) if self.pair.canary.scalers.scaled_object else ()
        return (*RIGHTS, *split, *keda, *to_count(self.service))

    def _always(self) -> tuple[Preflight, ...]:
        traffic = self.pair.traffic
        if traffic is None or not traffic.always:
            return ()
        return (
            warned(
                "Routing",
                f"{traffic.what} has {traffic.always}, which a weight of 0 does not stop: the "
                "plan takes them out too, so testers lose their way to the canary.",
            ),
        )

    async def _dry_run(self, world: World) -> Preflight:
        pair, traffic = self.pair, self.pair.traffic
        namespace = pair.target.namespace
        writes = scaling(DEPLOYMENTS, namespace, pair.canary.name, 0)
        if traffic is not None and traffic.fields:
            patch = tuple(guarded(traffic.manifest, traffic.fields))
            writes += (
                Write(kind=traffic.kind, namespace=namespace, name=traffic.name, operations=patch),
            )
        writes += await pausing(world.cluster, namespace, pair.canary.scalers)
        return await check_writes(world.cluster, writes)


# Two Deployments: the bot takes the canary's traffic, and then its pods.


class PairCommand:
    """See ``strategies.canary.command.CanaryCommand``."""

    def __init__(self, split: Kind | None = None) -> None:
        """``split`` is the kind of object that splits the traffic; None where replicas do."""
        self.rights = (*RIGHTS, *(to_change(split) if split else ()))

    async def frozen(self, target: PairCanary, world: World) -> tuple[MarkedObject, ...]:
        """Either Deployment."""
        return deployments(target.namespace, target.stable, target.canary)

    async def observe(self, target: PairCanary, service: ServiceEntry, world: World) -> Observation:
        """The canary's release while it gets requests, else the stable one."""
        pair = await read_pair(target, service, world)
        live = pair.canary if pair.serves else pair.stable
        history = await revisions(world, pair.target.namespace, live.deployment)
        return Observation(
            live_release=live.release,
            candidates=(pair.option.candidate,) if pair.serves else (),
            released_at=live_since(live.deployment, current(live.deployment, history)),
            summary=f"{pair.canary.name} ({pair.canary.release}) gets {pair.share:.0%} of the "
            f"traffic with {amount(pair.canary.ready, 'ready pod')}, {pair.stable.name} "
            f"({pair.stable.release}) the rest with {pair.stable.ready}.",
        )

    async def plan(
        self, name: str, target: PairCanary, service: ServiceEntry, world: World, wish: Wish
    ) -> Plan:
        """Prove the stable side, take the traffic away, wait for the drain, scale to 0."""
        pair = await read_pair(target, service, world)
        if wish.target in {"canary", pair.canary.name}:
            raise RefusedError(
                f"Nothing to do: {wish.target} is what the rollback leads away from.",
                f"Name {pair.stable.release} or nothing.",
            )
        if not pair.serves and pair.canary.replicas == 0:
            raise RefusedError(
                f"Nothing to do: the canary {pair.canary.name} gets no traffic and has no pods.",
                "If the stable release is bad, roll back its Deployment instead.",
            )
        preflight, candidates = wish.weigh(pair.option, live=pair.canary.release)
        plan = CanaryPlan(name=name, service=service, pair=pair)
        guard = await plan.guard(world)
        preflights = await plan.preflights(world)
        return plan.build(
            guard=guard,
            preflights=(preflight, *preflights),
            candidates=candidates,
            observed_at=world.clock.now(),
        )

    async def instances(
        self, target: PairCanary, service: ServiceEntry, world: World
    ) -> tuple[Instance, ...]:
        """The stable side's pods, and the canary's while it gets requests."""
        pair = await read_pair(target, service, world)
        sides = (pair.stable, pair.canary) if pair.serves else (pair.stable,)
        pods = [pod for side in sides for pod in side.pods if not is_terminating(pod)]
        return evidence.instances(pods, service.version_label)

    async def evidence(
        self, target: PairCanary, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """Of the pods with this release on either side, their Deployments and the route."""
        pair = await read_pair(target, service, world)
        sides = (pair.stable, pair.canary)
        label = service.version_label
        return await evidence.collect(
            world,
            pair.target.namespace,
            pods=[pod for side in sides for pod in side.pods if release_of(pod, label) == release],
            objects=[
                *(side.deployment for side in sides if side.release == release),
                *((pair.traffic.manifest,) if pair.traffic else ()),
            ],
        )
