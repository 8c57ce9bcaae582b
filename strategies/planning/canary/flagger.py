"""Flagger: the controller rolls back when its rollback gate is opened."""

from __future__ import annotations

import json
import shlex

from bot.config.catalog import ServiceEntry
from bot.config.targets.canary import FlaggerCanary
from bot.domain.freeze import MarkedObject
from bot.domain.plan import Milestone, Plan, Preflight, Step, StepSpec
from bot.domain.releases import release_of
from bot.domain.workloads import is_terminating
from bot.errors import PermanentError, RefusedError, TemporaryError
from bot.ports.cluster import AUTOSCALERS, DEPLOYMENTS, PODS, REPLICA_SETS, Right
from bot.ports.world import Evidence, Instance, Observation, World
from strategies.freezing import cluster_object
from strategies.kubernetes import evidence
from strategies.kubernetes.history import current, live_since, revisions
from strategies.planning.canary.command import Wish
from strategies.planning.canary.flagger_analysis import (
    ROLLBACK_CHECK,
    Analysis,
    read_analysis,
)
from strategies.planning.canary.pair import check_capacity
from strategies.planning.canary.steps import CanarySteps
from strategies.preflights.rights import check_rights, to_follow
from strategies.preflights.verdicts import blocked, passed, warned
from strategies.steps.rollback_gate import (
    CANARIES,
    RollbackGate,
    RollbackGateParams,
    gate_is_open,
)
from strategies.steps.rollout import WORKLOADS

RIGHTS = (
    Right(verb="get", kind=CANARIES),
    Right(verb="get", kind=DEPLOYMENTS),
    *to_follow(CANARIES, DEPLOYMENTS, REPLICA_SETS, PODS),
    Right(verb="list", kind=AUTOSCALERS),
)
_INTERVALS = 3
"""So many analyses Flagger may take until it acts; it asks the gate once in each."""
_MARGIN_SECONDS = 30.0


class FlaggerCommand:
    """See ``strategies.planning.canary.command.CanaryCommand``."""

    rights = RIGHTS

    async def frozen(self, target: FlaggerCanary, world: World) -> tuple[MarkedObject, ...]:
        """What the Canary watches is what a pipeline changes; the Canary itself stays as it is."""
        canary = await world.cluster.get(CANARIES, target.namespace, target.canary)
        found = canary["spec"]["targetRef"]
        kind = WORKLOADS.get(found.get("kind"))
        if kind is None:
            return ()
        return (cluster_object(found["kind"], kind, target.namespace, found["name"]),)

    async def observe(
        self, target: FlaggerCanary, service: ServiceEntry, world: World
    ) -> Observation:
        """The canary's release while it is analysed, else the primary's."""
        found = await read_analysis(target, service, world)
        pair = found.pair
        live = pair.canary if found.in_progress else pair.stable
        history = await revisions(world, target.namespace, live.deployment)
        return Observation(
            live_release=live.release,
            candidates=(pair.option.candidate,) if found.in_progress else (),
            released_at=live_since(live.deployment, current(live.deployment, history)),
            summary=f"Canary {target.canary} is {found.phase or 'new'}: {pair.share:.0%} for "
            f"{pair.canary.release}, the rest for {pair.stable.release}.",
        )

    async def plan(
        self,
        name: str,
        target: FlaggerCanary,
        service: ServiceEntry,
        world: World,
        wish: Wish,
    ) -> Plan:
        """Open the gate, wait for Flagger and for the last pod, close the gate."""
        found = await read_analysis(target, service, world)
        if not found.in_progress:
            raise RefusedError(
                f"Canary {target.canary} is {found.phase or 'new'}: Flagger has nothing in "
                "progress that it could roll back.",
                "After a promotion the old release has to be released again.",
            )
        pair = found.pair
        preflight, candidates = wish.weigh(pair.option, live=pair.canary.release)
        rights = await check_rights(world.cluster, target.namespace, RIGHTS)
        gate = await _check_gate(found, world)
        return Plan(
            service=name,
            strategy="canary",
            from_release=pair.canary.release,
            to_release=pair.stable.release,
            steps=_steps(found, service),
            preflights=(preflight, check_capacity(pair), gate, rights),
            not_reversible=("Flagger's verdict: only a new revision starts another canary",),
            not_restored=(
                f"Deployment {pair.canary.name}: it keeps {pair.canary.release} at 0 replicas",
                "the content of ConfigMaps and Secrets",
            ),
            candidates=candidates,
            observed={
                "canary": target.canary,
                "gate": found.gate,
                "revision": (found.canary.get("status") or {}).get("lastAppliedSpec"),
            },
            observed_at=world.clock.now(),
        )

    async def instances(
        self, target: FlaggerCanary, service: ServiceEntry, world: World
    ) -> tuple[Instance, ...]:
        """The primary's pods, and the canary's while it is analysed."""
        found = await read_analysis(target, service, world)
        pair = found.pair
        sides = (pair.stable, pair.canary) if found.in_progress else (pair.stable,)
        pods = [pod for side in sides for pod in side.pods if not is_terminating(pod)]
        return evidence.instances(pods, service.version_label)

    async def evidence(
        self, target: FlaggerCanary, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """Of the pods with this release on either side, their Deployments and the Canary."""
        found = await read_analysis(target, service, world)
        sides = (found.pair.stable, found.pair.canary)
        label = service.version_label
        return await evidence.collect(
            world,
            target.namespace,
            pods=[p for side in sides for p in side.pods if release_of(p, label) == release],
            objects=[
                found.canary,
                *(side.deployment for side in sides if side.release == release),
            ],
        )


async def _check_gate(found: Analysis, world: World) -> Preflight:
    target = found.target
    if not found.gate:
        return blocked(
            "Rollback gate",
            f"Canary {target.canary} has no webhook of type rollback with {ROLLBACK_CHECK}: "
            "Flagger cannot be told to roll back. Add one, or state gate in rollback.yml.",
        )
    try:
        is_open = await gate_is_open(found.gate, target.namespace, target.canary, world)
    except (PermanentError, TemporaryError) as error:
        return blocked("Rollback gate", f"The gate cannot be used. {error}")
    if is_open:
        return warned("Rollback gate", "The gate is open already: Flagger rolls back by itself.")
    return passed("Rollback gate", f"{found.gate} keeps the gate, and it is closed.")


def _steps(found: Analysis, service: ServiceEntry) -> tuple[Step, ...]:
    usual = CanarySteps(service=service, pair=found.pair)
    return (
        usual.ready_step(),
        _gate_step(found, opening=True),
        usual.gone_step(),
        _gate_step(found, opening=False),
    )


def _gate_step(found: Analysis, *, opening: bool) -> Step:
    target = found.target
    params = RollbackGateParams(
        namespace=target.namespace,
        canary=target.canary,
        gate=found.gate,
        open=opening,
        patience_seconds=_INTERVALS * found.interval + _MARGIN_SECONDS,
    )
    payload = json.dumps({"name": target.canary, "namespace": target.namespace})
    url = f"{found.gate}/rollback/{'open' if opening else 'close'}"
    why = ", or the next canary would be rolled back at once"
    return Step(
        title=f"{'Open' if opening else 'Close'} Flagger's rollback gate for {target.canary}"
        + ("" if opening else why),
        action=StepSpec(kind=RollbackGate.name, params=params.model_dump(mode="json")),
        expects={"phase": found.phase} if opening else {"gate": "open"},
        inverse=None,
        command=shlex.join(["curl", "-fsS", "-d", payload, url]),
        estimate_seconds=found.interval if opening else 1.0,
        milestone=Milestone.SWITCHED if opening else None,
    )
