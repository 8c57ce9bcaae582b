"""Flagger: the controller rolls back when its rollback gate is opened."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from bot.config.targets.canary import FlaggerCanary
from bot.domain.plan import Milestone, Plan, Preflight, Step, StepSpec
from bot.domain.workloads import is_terminating, release_of
from bot.errors import ConfigurationError, PermanentError, RefusedError, TemporaryError
from bot.ports.cluster import DEPLOYMENTS, PODS, REPLICA_SETS, Manifest
from bot.ports.world import Evidence, Instance, Observation, World
from strategies.kubernetes import evidence
from strategies.kubernetes.history import current, live_since, revisions
from strategies.planning.canary.pair import Pair, check_capacity, read_side
from strategies.planning.canary.steps import CanarySteps
from strategies.planning.canary.traffic import Traffic
from strategies.preflights.gitops import go_seconds
from strategies.preflights.rights import Right, check_rights
from strategies.preflights.verdicts import blocked, passed, warned
from strategies.steps.rollback_gate import (
    CANARIES,
    IN_PROGRESS,
    RollbackGate,
    RollbackGateParams,
    gate_is_open,
    phase_of,
)
from strategies.targets import choose, rated

_CHECK = "/rollback/check"
_RIGHTS = (
    Right(verb="get", kind=CANARIES),
    Right(verb="watch", kind=CANARIES),
    Right(verb="get", kind=DEPLOYMENTS),
    Right(verb="watch", kind=DEPLOYMENTS),
    Right(verb="watch", kind=REPLICA_SETS),
    Right(verb="watch", kind=PODS),
)
_INTERVALS = 3
"""So many analyses Flagger may take until it acts; it asks the gate once in each."""
_MARGIN_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class _Analysis:
    target: FlaggerCanary
    canary: Manifest
    pair: Pair

    @property
    def phase(self) -> str:
        return phase_of(self.canary)

    @property
    def in_progress(self) -> bool:
        return self.phase in IN_PROGRESS

    @property
    def settings(self) -> Manifest:
        spec = self.canary["spec"]
        return dict(spec.get("analysis") or spec.get("canaryAnalysis") or {})

    @property
    def interval(self) -> float:
        """Seconds between two looks of Flagger; it takes a minute unless told otherwise."""
        return go_seconds(str(self.settings.get("interval") or "")) or 60.0

    @property
    def gate(self) -> str:
        """Base address of the gate; empty when the Canary has none that can be opened."""
        hooks = [
            str(one.get("url") or "")
            for one in self.settings.get("webhooks") or []
            if one.get("type") == "rollback"
        ]
        if self.target.gate is not None:
            return str(self.target.gate).rstrip("/") if hooks else ""
        return next((url.removesuffix(_CHECK) for url in hooks if url.endswith(_CHECK)), "")


class FlaggerCommand:
    """The part of ``strategies.canary.Canary`` that commands Flagger."""

    async def observe(
        self, target: FlaggerCanary, service: ServiceEntry, world: World
    ) -> Observation:
        """The canary's release while it is analysed, else the primary's."""
        found = await _read(target, service, world)
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
        *,
        wanted: str | None,
        marked_bad: frozenset[str],
        known_good: Sequence[str],
    ) -> Plan:
        """Open the gate, wait for Flagger and for the last pod, close the gate."""
        found = await _read(target, service, world)
        if not found.in_progress:
            raise RefusedError(
                f"Canary {target.canary} is {found.phase or 'new'}: Flagger has nothing in "
                "progress that it could roll back.",
                "After a promotion the old release has to be released again.",
            )
        pair = found.pair
        choice = choose(
            [pair.option],
            live=pair.canary.release,
            target=wanted,
            marked_bad=marked_bad,
            known_good=known_good,
        )
        rights = await check_rights(world.cluster, target.namespace, _RIGHTS)
        gate = await _check_gate(found, world)
        return Plan(
            service=name,
            strategy="canary",
            from_release=pair.canary.release,
            to_release=pair.stable.release,
            steps=_steps(found, service),
            preflights=(choice.preflight, check_capacity(pair), gate, rights),
            not_reversible=("Flagger's verdict: only a new revision starts another canary",),
            not_restored=(
                f"Deployment {pair.canary.name}: it keeps {pair.canary.release} at 0 replicas",
                "the content of ConfigMaps and Secrets",
            ),
            candidates=rated(
                (pair.option.candidate,), marked_bad=marked_bad, known_good=known_good
            ),
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
        found = await _read(target, service, world)
        pair = found.pair
        sides = (pair.stable, pair.canary) if found.in_progress else (pair.stable,)
        pods = [pod for side in sides for pod in side.pods if not is_terminating(pod)]
        return evidence.instances(pods, service.version_label)

    async def evidence(
        self, target: FlaggerCanary, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """Of the pods with this release on either side, their Deployments and the Canary."""
        found = await _read(target, service, world)
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


async def _read(target: FlaggerCanary, service: ServiceEntry, world: World) -> _Analysis:
    canary = await world.cluster.get(CANARIES, target.namespace, target.canary)
    reference = canary["spec"]["targetRef"]
    if reference.get("kind") != "Deployment":
        raise ConfigurationError(
            f"Canary {target.canary} is about a {reference.get('kind')}; only Deployments are "
            "supported.",
        )
    name = str(reference["name"])
    weight = float((canary.get("status") or {}).get("canaryWeight", 0))
    traffic = Traffic(
        kind=CANARIES,
        name=target.canary,
        what=f"Canary {target.canary}",
        manifest=canary,
        share=weight / 100,
        fields=(),
    )
    pair = Pair(
        target=target,
        stable=await read_side(f"{name}-primary", target.namespace, service, world),
        canary=await read_side(name, target.namespace, service, world),
        traffic=traffic,
    )
    return _Analysis(target=target, canary=canary, pair=pair)


async def _check_gate(found: _Analysis, world: World) -> Preflight:
    target = found.target
    if not found.gate:
        return blocked(
            "Rollback gate",
            f"Canary {target.canary} has no webhook of type rollback with {_CHECK}: Flagger "
            "cannot be told to roll back. Add one, or state gate in rollback.yml.",
        )
    try:
        is_open = await gate_is_open(found.gate, target.namespace, target.canary, world)
    except (PermanentError, TemporaryError) as error:
        return blocked("Rollback gate", f"The gate cannot be used. {error}")
    if is_open:
        return warned("Rollback gate", "The gate is open already: Flagger rolls back by itself.")
    return passed("Rollback gate", f"{found.gate} keeps the gate, and it is closed.")


def _steps(found: _Analysis, service: ServiceEntry) -> tuple[Step, ...]:
    usual = CanarySteps(service=service, pair=found.pair)
    return (
        usual.ready_step(),
        _gate_step(found, opening=True),
        usual.gone_step(),
        _gate_step(found, opening=False),
    )


def _gate_step(found: _Analysis, *, opening: bool) -> Step:
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
