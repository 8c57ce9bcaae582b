"""What GitOps means for a plan: a step that suspends it, or a verdict that says why not.

A strategy takes the guard of the object that it changes, puts its steps before its own, its
preflight beside its own, and its words under what the plan does not restore.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.domain.ownership import GitOpsOwner, gitops_owner
from bot.domain.plan import Preflight, PreflightVerdict, Step, StepSpec
from bot.domain.workloads import owner_of
from bot.errors import ForbiddenError, NotFoundError
from bot.ports.cluster import Cluster, Kind, Manifest, Right
from strategies.commands import json_patch
from strategies.preflights.dry_run import Write, check_writes
from strategies.preflights.gitops import (
    ARGO_NAMESPACE,
    KINDS,
    NAME,
    check_gitops,
    go_seconds,
)
from strategies.preflights.rights import missing_rights, spoken_rights, to_change
from strategies.preflights.verdicts import blocked, warned
from strategies.steps.suspend_gitops import (
    SuspendGitOps,
    SuspendGitOpsParams,
    suspend_operations,
)

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
