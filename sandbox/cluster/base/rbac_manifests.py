"""Reads RBAC objects as an administrator would apply them, so that a deployment's own
documents are what the sandbox enforces."""

from __future__ import annotations

from pathlib import Path

import yaml

from sandbox.cluster.base.rbac import ANY, Rule
from sandbox.cluster.base.types import Manifest


def rules_from_manifests(path: Path) -> tuple[Rule, ...]:
    """The rules of every Role and ClusterRole in a file, wherever they are bound.

    A Role counts in its own namespace, a ClusterRole in all.
    """
    rules: list[Rule] = []
    for document in yaml.safe_load_all(path.read_text()):
        if document and document["kind"] in {"Role", "ClusterRole"}:
            rules.extend(_rules(document))
    return tuple(rules)


def _rules(role: Manifest) -> list[Rule]:
    namespace = role["metadata"].get("namespace")
    return [
        Rule(
            verbs=tuple(rule["verbs"]),
            groups=tuple(rule["apiGroups"]),
            resources=tuple(rule["resources"]),
            namespaces=(namespace,) if namespace else ANY,
            names=tuple(rule.get("resourceNames") or ANY),
        )
        for rule in role.get("rules") or ()
    ]
