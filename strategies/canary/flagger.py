"""Flagger: the controller rolls back when its rollback gate is opened."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import (
    AUTOSCALERS,
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    Kind,
    Manifest,
    Right,
)
from bot.clouds.kubernetes.ownership import last_writer
from bot.clouds.kubernetes.workloads import is_terminating, release_of
from bot.core.errors import (
    ConfigurationError,
    PermanentError,
    RefusedError,
    TemporaryError,
    WorldMovedError,
)
from bot.core.values import Value
from bot.engine.world import Evidence, Instance, Observation, Observed, StepState, World
from bot.incident.freeze import MarkedObject
from bot.incident.plan import Milestone, Plan, Preflight, Step, StepSpec
from strategies.canary.command import Wish
from strategies.canary.pair import Pair, check_capacity, read_side
from strategies.canary.pair_plan import CanarySteps
from strategies.canary.target import FlaggerCanary
from strategies.canary.traffic import Traffic
from strategies.common.preflights import blocked, passed, warned
from strategies.common.waiting import Objects, Pending, wait_until
from strategies.freezing import cluster_object
from strategies.kubernetes import evidence
from strategies.kubernetes.gitops import go_seconds
from strategies.kubernetes.preflights import check_rights, to_follow
from strategies.kubernetes.workload import WORKLOADS, current, live_since, named, revisions, the_one

# Step: open Flagger's rollback gate, or close it again.

CANARIES = Kind(api_version="flagger.app/v1beta1", plural="canaries")
IN_PROGRESS = frozenset({"Progressing", "Waiting", "WaitingPromotion"})
"""The phases in which Flagger asks its rollback hooks (``pkg/controller/scheduler.go``)."""


class RollbackGateParams(Value):
    """A Canary and the service that keeps its gate (Flagger's load tester)."""

    namespace: str
    canary: str
    gate: str
    """Base address."""
    open: bool
    patience_seconds: float


def phase_of(canary: Manifest) -> str:
    """``status.phase``; empty before Flagger has written one."""
    return str((canary.get("status") or {}).get("phase") or "")


async def gate_is_open(gate: str, namespace: str, canary: str, world: World) -> bool:
    """Ask as Flagger asks. Raises PermanentError when the address keeps no gate."""
    answer = await _post(f"{gate}/rollback/check", namespace, canary, world)
    if answer in {200, 202}:
        return True
    if answer == 403:
        return False
    raise PermanentError(
        f"{gate}/rollback/check answers HTTP {answer}: it keeps no rollback gate.",
        "Correct gate in rollback.yml or the Canary's rollback webhook.",
    )


class RollbackGate:
    """Opening makes Flagger send all traffic to the primary and scale the canary to 0.

    A gate that stays open would roll the next canary back at once, so it is closed afterwards.
    """

    name = "rollback-gate"

    async def observe(self, step: Step, world: World) -> Observed:
        """Opening: by the Canary's phase and the gate. Closing: by the gate."""
        params = RollbackGateParams.model_validate(step.action.params)
        if not params.open:
            is_open = await gate_is_open(params.gate, params.namespace, params.canary, world)
            state = StepState.BEFORE if is_open else StepState.AFTER
            summary = f"The rollback gate of {params.canary} is {'open' if is_open else 'closed'}."
            return Observed(state=state, summary=summary)
        canary = await world.cluster.get(CANARIES, params.namespace, params.canary)
        phase = phase_of(canary)
        summary = f"Canary {params.canary} is {phase or 'new'}."
        if phase == "Failed":
            return Observed(state=StepState.AFTER, summary=summary)
        if phase in IN_PROGRESS:
            is_open = await gate_is_open(params.gate, params.namespace, params.canary, world)
            waits = " Its gate is open; Flagger has yet to ask it." if is_open else ""
            state = StepState.AFTER if is_open else StepState.BEFORE
            return Observed(state=state, summary=f"{summary}{waits}")
        return Observed(
            state=StepState.OTHER, summary=summary, changed_by=last_writer(canary, "spec")
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError when the canary is no longer being analysed."""
        params = RollbackGateParams.model_validate(step.action.params)
        if params.open:
            canary = await world.cluster.get(CANARIES, params.namespace, params.canary)
            if phase_of(canary) not in IN_PROGRESS:
                raise _moved(params, canary)
        verb = "open" if params.open else "close"
        url = f"{params.gate}/rollback/{verb}"
        answer = await _post(url, params.namespace, params.canary, world)
        if answer >= 500:
            raise TemporaryError(f"{url} answers HTTP {answer}.")
        if answer >= 300:
            raise PermanentError(
                f"{url} answers HTTP {answer}.", "Correct gate in rollback.yml, or its access."
            )

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError when Flagger does not roll back in time."""
        params = RollbackGateParams.model_validate(step.action.params)
        if not params.open:
            if await gate_is_open(params.gate, params.namespace, params.canary, world):
                raise PermanentError(f"The rollback gate of {params.canary} is still open.")
            return f"The rollback gate of {params.canary} is closed: the next release can start."
        try:
            return await wait_until(
                world,
                [named(CANARIES, params.namespace, params.canary)],
                lambda objects: _check(params, objects),
                patience_seconds=params.patience_seconds,
            )
        except PermanentError as error:
            # The step that closes it is not reached.
            left = f"The gate {params.gate} stays open; close it before the next canary starts."
            raise type(error)(error.what, f"{left} {error.remedy}".strip()) from error


async def _post(url: str, namespace: str, canary: str, world: World) -> int:
    payload: dict[str, Any] = {"name": canary, "namespace": namespace}
    return (await world.http.request("POST", url, json=payload)).status


def _moved(params: RollbackGateParams, canary: Manifest) -> WorldMovedError:
    return WorldMovedError(
        f"Canary {params.canary} is {phase_of(canary) or 'new'} by now, where Flagger no longer "
        f"rolls back (specification last changed by {last_writer(canary, 'spec')}).",
        "Plan again.",
    )


def _check(params: RollbackGateParams, objects: Objects) -> Pending | str:
    canary = the_one(objects[0], f"Canary {params.canary}")
    phase, weight = phase_of(canary), (canary.get("status") or {}).get("canaryWeight", 0)
    if phase == "Failed":
        return f"Flagger has sent all traffic to the primary and marked {params.canary} as failed."
    if phase not in IN_PROGRESS:
        raise _moved(params, canary)
    return Pending(
        summary=f"Flagger has not asked the gate yet: {params.canary} is {phase} with {weight} %",
        progress=str(weight),
    )


# A Canary of Flagger as it is now.

ROLLBACK_CHECK = "/rollback/check"
"""Path that Flagger asks on the gate."""


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """A Canary of Flagger with the two Deployments that it is about."""

    target: FlaggerCanary
    canary: Manifest
    pair: Pair

    @property
    def phase(self) -> str:
        """As Flagger tells it; empty while it is new."""
        return phase_of(self.canary)

    @property
    def in_progress(self) -> bool:
        """Whether there is anything to roll back."""
        return self.phase in IN_PROGRESS

    @property
    def settings(self) -> Manifest:
        """The analysis, under its present or its former name."""
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
        return next(
            (url.removesuffix(ROLLBACK_CHECK) for url in hooks if url.endswith(ROLLBACK_CHECK)), ""
        )


async def read_analysis(target: FlaggerCanary, service: ServiceEntry, world: World) -> Analysis:
    """Read all of it. Raises ConfigurationError for a Canary of anything but a Deployment."""
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
    return Analysis(target=target, canary=canary, pair=pair)


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
    """See ``strategies.canary.command.CanaryCommand``."""

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
