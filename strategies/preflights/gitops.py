"""Would automation undo the rollback?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.domain.ownership import GitOpsOwner, gitops_owner
from bot.domain.plan import Preflight
from bot.errors import ForbiddenError, NotFoundError
from bot.ports.cluster import Cluster, Kind, Manifest
from strategies.preflights.verdicts import blocked, passed, warned

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


async def check_gitops(cluster: Cluster, manifest: Manifest, what: str) -> Preflight:
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
            f"{owner} tracks {what} and may undo the rollback; whether it syncs by itself could "
            f"not be read ({error.what}) {_advice(owner)}",
        )
    if owner.tool == "Argo CD":
        return _argo(owner, live.get("spec") or {}, what)
    return _flux(owner, live.get("spec") or {}, what)


def _argo(owner: GitOpsOwner, spec: Mapping[str, Any], what: str) -> Preflight:
    automated = (spec.get("syncPolicy") or {}).get("automated")
    if automated is None or automated.get("enabled") is False:
        return warned(
            NAME,
            f"{owner} tracks {what} and syncs by hand only: the next sync undoes the rollback "
            "until git is reverted too.",
        )
    if automated.get("selfHeal"):
        return blocked(
            NAME,
            f"{owner} heals {what} by itself and would undo the rollback within seconds. "
            f"{_advice(owner)}",
        )
    return warned(
        NAME,
        f"{owner} syncs {what} with every commit, which undoes the rollback. {_advice(owner)}",
    )


def _flux(owner: GitOpsOwner, spec: Mapping[str, Any], what: str) -> Preflight:
    if spec.get("suspend"):
        return passed(NAME, f"{owner} tracks {what} and is suspended.")
    interval = str(spec.get("interval") or "")
    sentence = (
        f"{owner} reconciles {what} every {interval or 'interval'} and then undoes the rollback. "
        f"{_advice(owner)}"
    )
    seconds = go_seconds(interval)
    if owner.kind == "Kustomization" and seconds is not None and seconds <= _SOON_SECONDS:
        return blocked(NAME, sentence)
    return warned(NAME, sentence)


def _advice(owner: GitOpsOwner) -> str:
    if owner.tool == "Argo CD":
        return (
            f"Switch it off first: argocd app set {owner.name} --sync-policy none; "
            "revert git before switching it on again."
        )
    return (
        f"Suspend it first: flux suspend {owner.kind.lower()} {owner.name} -n {owner.namespace}; "
        "revert git before resuming it."
    )


def go_seconds(text: str) -> float | None:
    """Seconds of a Go duration (``1m30s``); None for anything else."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _GO_UNITS[unit] for number, unit in parts)
