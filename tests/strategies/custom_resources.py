"""Kinds that the sandbox cluster serves once a test has defined them."""

from __future__ import annotations

from sandbox.cluster.base.types import GVR, Manifest
from sandbox.cluster.cluster import Cluster


def define(
    cluster: Cluster, group: str, version: str, kind: str, plural: str, *, status: bool = False
) -> GVR:
    """Create a CustomResourceDefinition that takes any content."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served: Manifest = {
        "name": version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    if status:
        served["subresources"] = {"status": {}}
    cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
                "versions": [served],
            },
        }
    )
    return GVR(group=group, version=version, resource=plural)
