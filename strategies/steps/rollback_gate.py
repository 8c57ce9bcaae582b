"""Step: open Flagger's rollback gate, or close it again."""

from __future__ import annotations

from typing import Any

from bot.domain.ownership import last_writer
from bot.domain.plan import Step
from bot.domain.values import Value
from bot.errors import PermanentError, TemporaryError, WorldMovedError
from bot.ports.cluster import Kind, Manifest
from bot.ports.world import Observed, StepState, World
from strategies.kubernetes.selections import named, the_one
from strategies.waiting import Objects, Pending, wait_until

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
