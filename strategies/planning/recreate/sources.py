"""Where the old release of a recreated Deployment comes from: a ReplicaSet or a file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bot.config.targets.recreate import REVISION, RecreateTarget
from bot.domain.plan import Candidate
from bot.domain.releases import release_of
from bot.domain.revisions import bare_template, revision_of
from bot.domain.workloads import annotations_of, name_of
from bot.errors import ConfigurationError
from bot.ports.cluster import Manifest
from strategies.kubernetes.history import others
from strategies.targets import Option

_SERVER_FIELDS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One old release. ``manifest`` is None where the cluster keeps its template."""

    option: Option
    template: Manifest
    replica_set: Manifest | None = None
    manifest: Manifest | None = None
    path: str = ""


async def read_sources(
    target: RecreateTarget,
    deployment: Manifest,
    replica_sets: Sequence[Manifest],
    version_label: str,
) -> tuple[Source, ...]:
    """All releases that one could go back to, the most recent first.

    Raises ConfigurationError when the catalog's manifest is missing or not this Deployment's.
    """
    if target.manifest == REVISION:
        return tuple(_kept(one, version_label) for one in others(deployment, replica_sets))
    return await asyncio.to_thread(_files, target, version_label)


def _kept(replica_set: Manifest, version_label: str) -> Source:
    revision = revision_of(replica_set)
    template = bare_template(replica_set["spec"]["template"])
    cause = annotations_of(replica_set).get("kubernetes.io/change-cause", "")
    candidate = Candidate(
        release=release_of(template, version_label),
        detail=f"revision {revision}" + (f": {cause}" if cause else ""),
    )
    aliases = frozenset({str(revision), name_of(replica_set)})
    return Source(
        option=Option(candidate=candidate, aliases=aliases),
        template=template,
        replica_set=replica_set,
    )


def _files(target: RecreateTarget, version_label: str) -> tuple[Source, ...]:
    pattern = Path(target.manifest)
    if "{release}" not in target.manifest:
        return (_file(pattern, target, version_label),)
    if "{release}" in str(pattern.parent):
        raise ConfigurationError(
            f"manifest: {target.manifest} may have {{release}} in the file's name only."
        )
    found = pattern.parent.glob(pattern.name.replace("{release}", "*"))
    newest = sorted(found, key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
    if not newest:
        raise ConfigurationError(
            f"No file matches manifest: {target.manifest}.", "Correct rollback.yml."
        )
    return tuple(_file(path, target, version_label) for path in newest)


def _file(path: Path, target: RecreateTarget, version_label: str) -> Source:
    manifest = _deployment_in(path, target)
    template = manifest["spec"]["template"]
    candidate = Candidate(release=release_of(template, version_label), detail=f"manifest {path}")
    return Source(
        option=Option(candidate=candidate, aliases=frozenset({str(path), path.name})),
        template=template,
        manifest=manifest,
        path=str(path),
    )


def _deployment_in(path: Path, target: RecreateTarget) -> Manifest:
    try:
        documents: list[Any] = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(
            f"The manifest {path} cannot be read: {reason}.", "Correct rollback.yml or the file."
        ) from error
    for one in documents:
        if not isinstance(one, dict) or one.get("kind") != "Deployment":
            continue
        metadata = one.get("metadata") or {}
        namespace = metadata.get("namespace", target.namespace)
        if (metadata.get("name"), namespace) == (target.deployment, target.namespace):
            return _applicable(one, target)
    raise ConfigurationError(
        f"{path} holds no Deployment {target.namespace}/{target.deployment}.",
        "Correct rollback.yml or the file.",
    )


def _applicable(document: Manifest, target: RecreateTarget) -> Manifest:
    """The manifest without what the server sets, and without replicas: a later step sets them."""
    if not (document.get("spec") or {}).get("template"):
        raise ConfigurationError(f"Deployment {target.deployment} has no pod template in its file.")
    metadata = {k: v for k, v in document["metadata"].items() if k not in _SERVER_FIELDS}
    return {
        "apiVersion": document.get("apiVersion", "apps/v1"),
        "kind": "Deployment",
        "metadata": {**metadata, "namespace": target.namespace},
        "spec": {k: v for k, v in document["spec"].items() if k != "replicas"},
    }
