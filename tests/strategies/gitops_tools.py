"""Argo CD and Flux as far as a rollback meets them: their objects, and a controller that heals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sandbox.cluster.base.types import GVR, Manifest, clone
from sandbox.cluster.cluster import Cluster
from tests.strategies.support import NAMESPACE

ARGO = "argocd"
APPLICATIONS = GVR(group="argoproj.io", version="v1alpha1", resource="applications")
KUSTOMIZATIONS = GVR(group="kustomize.toolkit.fluxcd.io", version="v1", resource="kustomizations")
TRACKING = "argocd.argoproj.io/tracking-id"
AUTOMATED = {"prune": True, "selfHeal": True}


def _definition(gvr: GVR, kind: str) -> Manifest:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": gvr.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{gvr.resource}.{gvr.group}"},
        "spec": {
            "group": gvr.group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": gvr.resource, "singular": kind.lower()},
            "versions": [version],
        },
    }


def install_argo(cluster: Cluster, name: str = "shop", **metadata: Any) -> None:
    """The kind Application, and one that heals by itself."""
    cluster.apply(_definition(APPLICATIONS, "Application"))
    cluster.apply(
        {
            "apiVersion": APPLICATIONS.api_version,
            "kind": "Application",
            "metadata": {"name": name, "namespace": ARGO, **metadata},
            "spec": {
                "project": "default",
                "syncPolicy": {
                    "automated": dict(AUTOMATED),
                    "syncOptions": ["CreateNamespace=false"],
                },
            },
        }
    )


def install_flux(cluster: Cluster, **spec: Any) -> None:
    """The kind Kustomization, and one that reconciles every minute."""
    cluster.apply(_definition(KUSTOMIZATIONS, "Kustomization"))
    cluster.apply(
        {
            "apiVersion": KUSTOMIZATIONS.api_version,
            "kind": "Kustomization",
            "metadata": {"name": "shop", "namespace": NAMESPACE},
            "spec": {"interval": "1m", "path": "./shop", "prune": True, **spec},
        }
    )


def tracked(cluster: Cluster, gvr: GVR, name: str, **marks: dict[str, str]) -> None:
    """Mark an object as the GitOps tool does."""

    def mark(manifest: Manifest) -> None:
        for where, values in marks.items():
            manifest["metadata"].setdefault(where, {}).update(values)

    cluster.store.mutate(gvr, NAMESPACE, name, mark, manager="argocd-controller")


def automation(cluster: Cluster, name: str = "shop") -> Any:
    """What the Application says about syncing by itself; None when it is suspended."""
    spec = cluster.store.get(APPLICATIONS, ARGO, name)["spec"]
    return spec["syncPolicy"].get("automated")


@asynccontextmanager
async def argo_cd(cluster: Cluster, gvr: GVR, name: str) -> AsyncIterator[list[str]]:
    """Heal an object as the application controller does; yields what was done.

    Git holds the object's specification as it is at the start.
    """
    git = clone(cluster.store.get(gvr, NAMESPACE, name)["spec"])
    done: list[str] = []

    def heal(manifest: Manifest) -> None:
        manifest["spec"] = clone(git)

    async def control() -> None:
        changes = cluster.store.subscribe()
        try:
            while True:
                live = cluster.store.get(gvr, NAMESPACE, name)["spec"]
                policy = automation(cluster) or {}
                if policy.get("selfHeal") and _differs(live, git):
                    cluster.store.mutate(gvr, NAMESPACE, name, heal, manager="argocd-controller")
                    done.append(name)
                await anext(changes)
        finally:
            changes.close()

    controlling = asyncio.create_task(control())
    try:
        yield done
    finally:
        controlling.cancel()
        await asyncio.gather(controlling, return_exceptions=True)


def _differs(live: Manifest, git: Manifest) -> bool:
    """In what a rollback changes."""
    return any(live.get(key) != git.get(key) for key in ("template", "selector"))
