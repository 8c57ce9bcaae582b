"""Step: keep Argo CD or Flux from undoing a rollback, or let it go on again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import JsonValue

from bot.domain.ownership import last_writer
from bot.domain.plan import Step
from bot.domain.values import Value, spoken
from bot.errors import PermanentError, WorldMovedError
from bot.ports.cluster import Kind, Manifest
from bot.ports.world import Observed, StepState, World
from strategies.waiting import Objects, Pending, Selection, wait_until


class SuspendGitOpsParams(Value):
    """The object that is suspended, and what stood there before."""

    tool: Literal["Argo CD", "Flux"]
    kind: Kind
    namespace: str
    name: str
    recorded: JsonValue
    """Argo CD: ``spec.syncPolicy.automated``; Flux: ``spec.suspend``, null where it was absent."""
    suspended: bool
    """Whether the step suspends or resumes."""
    parent: str
    """Who keeps this object itself as it is in git; empty when nobody is known."""
    settle_seconds: float
    """It must stay as it was set for so long."""
    patience_seconds: float

    def __str__(self) -> str:
        return f"{self.tool} {self.kind.plural}/{self.name} in namespace {self.namespace}"


def suspend_operations(params: SuspendGitOpsParams, spec: Mapping[str, Any]) -> list[Manifest]:
    """The JSON Patch from the specification as it is now, guarded by a test of what is changed.

    Argo CD: automated sync is removed (https://argo-cd.readthedocs.io, "Automated Sync Policy");
    Flux: ``spec.suspend`` (https://fluxcd.io/flux/components/kustomize/kustomizations/#suspend).
    """
    if params.tool == "Argo CD":
        return _argo_operations(params, spec.get("syncPolicy"))
    path = "/spec/suspend"
    guard = [{"op": "test", "path": path, "value": spec["suspend"]}] if "suspend" in spec else []
    if params.suspended:
        return [*guard, {"op": "add", "path": path, "value": True}]
    if params.recorded is None:
        return [*guard, {"op": "remove", "path": path}]
    return [*guard, {"op": "add", "path": path, "value": params.recorded}]


def _argo_operations(params: SuspendGitOpsParams, policy: Any) -> list[Manifest]:
    path = "/spec/syncPolicy"
    if params.suspended:
        return [
            {"op": "test", "path": f"{path}/automated", "value": params.recorded},
            {"op": "remove", "path": f"{path}/automated"},
        ]
    if policy is None:  # whoever stored the object may have dropped the empty policy
        return [{"op": "add", "path": path, "value": {"automated": params.recorded}}]
    return [
        {"op": "test", "path": path, "value": policy},
        {"op": "add", "path": f"{path}/automated", "value": params.recorded},
    ]


class SuspendGitOps:
    """Sets it, then looks again after a while: a parent may assert what is in git."""

    name = "suspend-gitops"

    async def observe(self, step: Step, world: World) -> Observed:
        """OTHER when automation is neither as recorded nor suspended."""
        params = SuspendGitOpsParams.model_validate(step.action.params)
        live = await world.cluster.get(params.kind, params.namespace, params.name)
        summary = f"{params} is {'suspended' if _is_suspended(params, live) else 'not suspended'}."
        facts: dict[str, JsonValue] = {"automation": _automation(params, live)}
        if _is_suspended(params, live) == params.suspended:
            return Observed(state=StepState.AFTER, summary=summary, facts=facts)
        if not params.suspended or _automation(params, live) == params.recorded:
            return Observed(state=StepState.BEFORE, summary=summary, facts=facts)
        return Observed(
            state=StepState.OTHER,
            summary=f"{summary} It is not set as the plan recorded.",
            facts=facts,
            changed_by=last_writer(live, "spec"),
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError when it is no longer set as recorded."""
        params = SuspendGitOpsParams.model_validate(step.action.params)
        live = await world.cluster.get(params.kind, params.namespace, params.name)
        if _is_suspended(params, live) == params.suspended:
            return
        operations = suspend_operations(params, live.get("spec") or {})
        try:
            await world.cluster.patch(params.kind, params.namespace, params.name, operations)
        except WorldMovedError as error:
            live = await world.cluster.get(params.kind, params.namespace, params.name)
            if _is_suspended(params, live) != params.suspended:
                raise WorldMovedError(
                    f"{params} was changed by {last_writer(live, 'spec')}.", "Plan again."
                ) from error

    async def confirm(self, step: Step, world: World) -> str:
        """Wait for a sync that is running, and until one interval has passed.

        Raises PermanentError naming who set it again, or a sync that does not end.
        """
        params = SuspendGitOpsParams.model_validate(step.action.params)
        selection = Selection(
            kind=params.kind, namespace=params.namespace, fields=f"metadata.name={params.name}"
        )

        def quiet(objects: Objects) -> Pending | str:
            running = _operation(_kept(params, objects[0])) if params.suspended else ""
            return Pending(summary=f"{params} is still {running}") if running else "quiet"

        await wait_until(world, [selection], quiet, patience_seconds=params.patience_seconds)
        await world.clock.sleep(params.settle_seconds)
        live = await world.cluster.list(
            selection.kind, selection.namespace, fields=selection.fields
        )
        _kept(params, live)
        if not params.suspended:
            return f"{params} goes on again."
        return (
            f"{params} is suspended and stayed so for {spoken(params.settle_seconds)}. It stays "
            "suspended until somebody resumes it."
        )


def _kept(params: SuspendGitOpsParams, found: tuple[Manifest, ...]) -> Manifest:
    if not found:
        raise WorldMovedError(f"{params} was deleted.", "Plan again.")
    live = found[0]
    if _is_suspended(params, live) != params.suspended:
        who = params.parent or "something that keeps it as it is in git"
        word = "resumed" if params.suspended else "suspended"
        raise PermanentError(
            f"{params} was {word} again by {last_writer(live, 'spec')}.",
            f"Suspend {who} first, then plan again." if params.suspended else "Look who did it.",
        )
    return live


def _automation(params: SuspendGitOpsParams, live: Manifest) -> JsonValue:
    spec = live.get("spec") or {}
    if params.tool == "Argo CD":
        automated: JsonValue = (spec.get("syncPolicy") or {}).get("automated")
        return automated
    suspend: JsonValue = spec.get("suspend")
    return suspend


def _is_suspended(params: SuspendGitOpsParams, live: Manifest) -> bool:
    automation = _automation(params, live)
    if params.tool == "Flux":
        return bool(automation)
    return not isinstance(automation, dict) or automation.get("enabled") is False


def _operation(live: Manifest) -> str:
    """What Argo CD is doing at this moment: a sync that began before goes on to its end."""
    if live.get("operation"):
        return "about to sync"
    state = (live.get("status") or {}).get("operationState") or {}
    return "syncing" if state.get("phase") in {"Running", "Terminating"} else ""
