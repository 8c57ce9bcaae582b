"""Would automation undo the rollback?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.domain.ownership import GitOpsOwner, gitops_owner
from bot.domain.plan import Preflight
from bot.domain.values import Value
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
