"""What GitOps means for a plan: a step that suspends it, or a verdict that says why not.

A strategy takes the guard of the object that it changes, puts its steps before its own, its
preflight beside its own, and its words under what the plan does not restore.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import JsonValue

from bot.clouds.kubernetes.objects import Cluster, Kind, Manifest, Right
from bot.clouds.kubernetes.ownership import GitOpsOwner, gitops_owner, last_writer
from bot.clouds.kubernetes.workloads import owner_of
from bot.core.errors import ForbiddenError, NotFoundError, PermanentError, WorldMovedError
from bot.core.values import Value, spoken
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Preflight, PreflightVerdict, Step, StepSpec
from strategies.common.commands import json_patch
from strategies.common.preflights import blocked, passed, warned
from strategies.common.waiting import Objects, Pending, Selection, wait_until
from strategies.kubernetes.preflights import (
    Write,
    check_writes,
    missing_rights,
    spoken_rights,
    to_change,
)

# Would automation undo the rollback?

NAME = "GitOps"
ARGO_NAMESPACE = "argocd"
"""Where Argo CD's control plane keeps Applications unless told otherwise."""
_SOON_SECONDS = 60.0
KINDS: dict[str, Kind] = {
    "Application": Kind(api_version="argoproj.io/v1alpha1", plural="applications"),
    "Kustomization": Kind(api_version="kustomize.toolkit.fluxcd.io/v1", plural="kustomizations"),
    "HelmRelease": Kind(api_version="helm.toolkit.fluxcd.io/v2", plural="helmreleases"),
}
_GO_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Harm(Value):
    """What automation does to the plan, as two verbs with what they are about."""

    may: str
    does: str
    afterwards: str
    """What comes before the automation is switched on again."""


UNDONE = Harm(may="undo the rollback", does="undoes the rollback", afterwards="revert git before")
STARTED = Harm(
    may="start it again while it has to stand still",
    does="starts it again while it has to stand still",
    afterwards="wait for the end of the rollback before",
)
"""For what is stopped for a time only: git need not be changed for it."""


async def check_gitops(
    cluster: Cluster, manifest: Manifest, what: str, *, harm: Harm = UNDONE
) -> Preflight:
    """Blocks where the change would be reverted within seconds, warns where it may be later."""
    owner = gitops_owner(manifest)
    if owner is None:
        return passed(NAME, f"No GitOps tool tracks {what}.")
    namespace = owner.namespace or (ARGO_NAMESPACE if owner.tool == "Argo CD" else "")
    try:
        live = await cluster.get(KINDS[owner.kind], namespace, owner.name)
    except (ForbiddenError, NotFoundError) as error:
        return warned(
            NAME,
            f"{owner} tracks {what} and may {harm.may}; whether it syncs by itself could "
            f"not be read ({error.what}) {_advice(owner, harm)}",
        )
    if owner.tool == "Argo CD":
        return _argo(owner, live.get("spec") or {}, what, harm)
    return _flux(owner, live.get("spec") or {}, what, harm)


def _argo(owner: GitOpsOwner, spec: Mapping[str, Any], what: str, harm: Harm) -> Preflight:
    automated = (spec.get("syncPolicy") or {}).get("automated")
    if automated is None or automated.get("enabled") is False:
        return warned(
            NAME,
            f"{owner} tracks {what} and syncs by hand only: the next sync {harm.does}. Let nobody "
            f"sync, and {harm.afterwards} the next one.",
        )
    if automated.get("selfHeal"):
        return blocked(
            NAME,
            f"{owner} heals {what} by itself and within seconds would {harm.may}. "
            f"{_advice(owner, harm, first='first and plan again')}",
        )
    return warned(
        NAME,
        f"{owner} syncs {what} with every commit, which {harm.does}. {_advice(owner, harm)}",
    )


def _flux(owner: GitOpsOwner, spec: Mapping[str, Any], what: str, harm: Harm) -> Preflight:
    if spec.get("suspend"):
        return passed(NAME, f"{owner} tracks {what} and is suspended.")
    interval = str(spec.get("interval") or "")
    seconds = go_seconds(interval)
    blocks = owner.kind == "Kustomization" and seconds is not None and seconds <= _SOON_SECONDS
    advice = _advice(owner, harm, first="first and plan again" if blocks else "first")
    verdict = blocked if blocks else warned
    return verdict(
        NAME,
        f"{owner} reconciles {what} every {interval or 'interval'} and then {harm.does}. {advice}",
    )


def _advice(owner: GitOpsOwner, harm: Harm, *, first: str = "first") -> str:
    if owner.tool == "Argo CD":
        return (
            f"Switch it off {first}: argocd app set {owner.name} --sync-policy none; "
            f"{harm.afterwards} switching it on again."
        )
    return (
        f"Suspend it {first}: flux suspend {owner.kind.lower()} {owner.name} "
        f"-n {owner.namespace}; {harm.afterwards} resuming it."
    )


def go_seconds(text: str) -> float | None:
    """Seconds of a Go duration (``1m30s``); None for anything else."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _GO_UNITS[unit] for number, unit in parts)


# Step: keep Argo CD or Flux from undoing a rollback, or let it go on again.


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


_HEALING_SECONDS = 10.0
"""Argo CD heals about 5 s after a difference appears; twice that is waited for."""
_LONGEST_SETTLING_SECONDS = 60.0
_OPERATION_SECONDS = 120.0
"""Patience for a sync that is running already."""


@dataclass(frozen=True, kw_only=True)
class GitOpsGuard:
    """How the plan deals with the automation that would undo it."""

    preflight: Preflight
    steps: tuple[Step, ...] = ()
    not_restored: tuple[str, ...] = ()


async def guard_against_gitops(cluster: Cluster, manifest: Manifest, what: str) -> GitOpsGuard:
    """A guard for the object ``what``; without the right to suspend, a verdict that blocks."""
    owner = gitops_owner(manifest)
    verdict = await check_gitops(cluster, manifest, what)
    if owner is None or verdict.verdict is PreflightVerdict.PASS:
        return GitOpsGuard(preflight=verdict)
    kind = KINDS[owner.kind]
    namespace = owner.namespace or (ARGO_NAMESPACE if owner.tool == "Argo CD" else "")
    try:
        live = await cluster.get(kind, namespace, owner.name)
    except (ForbiddenError, NotFoundError):
        return GitOpsGuard(preflight=verdict)
    old = _running(owner, live)
    if old is None:
        return GitOpsGuard(preflight=verdict)
    missing = await missing_rights(cluster, namespace, to_change(kind), name=owner.name)
    if missing:
        return GitOpsGuard(preflight=_without_right(verdict, missing, namespace))
    parent = _parent(live)
    step = _suspend_step(owner, kind, namespace, live, parent=parent)
    tried = await check_writes(cluster, [_write(step, live)], name=NAME)
    if tried.verdict is PreflightVerdict.BLOCK:
        return GitOpsGuard(preflight=tried)
    told = f"{owner} would undo a change of {what}; the plan suspends it first."
    if parent:
        told += f" {parent} keeps it as it is in git and may resume it; the step waits to see."
    resume = step.inverse.command if step.inverse else ""
    return GitOpsGuard(
        preflight=warned(NAME, told),
        steps=(step,),
        not_restored=(
            f"{owner} stays suspended until git itself is reverted; then resume it: {resume}",
        ),
    )


def _running(owner: GitOpsOwner, live: Manifest) -> Any:
    """What is to be recorded and taken away; None when the tool does nothing by itself."""
    spec = live.get("spec") or {}
    if owner.tool == "Argo CD":
        automated = (spec.get("syncPolicy") or {}).get("automated")
        stopped = automated is None or automated.get("enabled") is False
        return None if stopped else automated
    return None if spec.get("suspend") else True


def _without_right(verdict: Preflight, missing: Sequence[Right], namespace: str) -> Preflight:
    sentence = (
        f"{verdict.sentence} The bot can do it as a step of the plan once it may "
        f"{spoken_rights(missing)} in namespace {namespace} (ClusterRole "
        "rollback-bot-gitops-suspend in deploy/rbac.yaml)."
    )
    if verdict.verdict is PreflightVerdict.BLOCK:
        return blocked(NAME, sentence)
    return warned(NAME, sentence)


def _parent(live: Manifest) -> str:
    """Who may set the owner's own specification again: an app of apps, an ApplicationSet."""
    owner = owner_of(live)
    if owner.get("kind") == "ApplicationSet":
        return f"ApplicationSet {owner.get('name')}"
    tracking = gitops_owner(live)
    return str(tracking) if tracking else ""


def _suspend_step(
    owner: GitOpsOwner, kind: Kind, namespace: str, live: Mapping[str, Any], *, parent: str
) -> Step:
    spec = live.get("spec") or {}
    argo = owner.tool == "Argo CD"
    recorded = (spec.get("syncPolicy") or {}).get("automated") if argo else spec.get("suspend")
    params = SuspendGitOpsParams(
        tool=owner.tool,
        kind=kind,
        namespace=namespace,
        name=owner.name,
        recorded=recorded,
        suspended=True,
        parent=parent,
        settle_seconds=_settling(owner, spec, parent),
        patience_seconds=_OPERATION_SECONDS,
    )
    inverse = params.model_copy(update={"suspended": False})
    resource = f"{kind.plural}.{kind.api_version.partition('/')[0]}"
    suspended = _suspended(params, spec)
    return Step(
        title=f"Suspend {owner}, which would undo the rollback",
        action=StepSpec(kind=SuspendGitOps.name, params=params.model_dump(mode="json")),
        expects={"recorded": recorded},
        inverse=StepSpec(
            kind=SuspendGitOps.name,
            params=inverse.model_dump(mode="json"),
            command=json_patch(
                namespace, resource, owner.name, suspend_operations(inverse, suspended)
            ),
        ),
        command=json_patch(namespace, resource, owner.name, suspend_operations(params, spec)),
        estimate_seconds=1.0 + params.settle_seconds,
        reminder=f"Revert git itself, and then resume {owner}:",
    )


def _write(step: Step, live: Mapping[str, Any]) -> Write:
    """What the suspension sends to the API server, for a dry run."""
    params = SuspendGitOpsParams.model_validate(step.action.params)
    return Write(
        kind=params.kind,
        namespace=params.namespace,
        name=params.name,
        operations=tuple(suspend_operations(params, live.get("spec") or {})),
    )


def _settling(owner: GitOpsOwner, spec: Mapping[str, Any], parent: str) -> float:
    """One interval of whoever may assert it again, as far as an emergency can wait for it."""
    if owner.tool == "Argo CD":
        return _HEALING_SECONDS
    if not parent:
        return 1.0
    seconds = go_seconds(str(spec.get("interval") or "")) or _LONGEST_SETTLING_SECONDS
    return min(seconds, _LONGEST_SETTLING_SECONDS)


def _suspended(params: SuspendGitOpsParams, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The specification after the suspension, for the command that resumes."""
    if params.tool == "Flux":
        return {**spec, "suspend": True}
    policy = {k: v for k, v in (spec.get("syncPolicy") or {}).items() if k != "automated"}
    return {**spec, "syncPolicy": policy}
