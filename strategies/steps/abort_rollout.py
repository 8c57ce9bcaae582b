"""Step: tell Argo Rollouts to abort, or to try again."""

from __future__ import annotations

from typing import Any

from bot.domain.ownership import last_writer
from bot.domain.plan import Step
from bot.domain.values import Value
from bot.errors import PermanentError, WorldMovedError
from bot.ports.cluster import Kind, Manifest
from bot.ports.world import Observed, StepState, World
from strategies.kubernetes.selections import named, the_one
from strategies.waiting import Objects, Pending, wait_until

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
