"""What a recreation changes, and what the API server would make of it."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from bot.catalog.service import ServiceEntry
from bot.catalog.target import Target
from bot.catalog.types import Namespace
from bot.clouds.kubernetes.objects import DEPLOYMENTS, Manifest
from bot.clouds.kubernetes.ownership import FIELD_MANAGER
from bot.clouds.kubernetes.rollouts import bare_template, revision_of, same_template
from bot.clouds.kubernetes.workloads import annotations_of, name_of, ready_names, release_of
from bot.core.errors import ConfigurationError, FieldsOwnedError, PermanentError, TemporaryError
from bot.core.values import Facts
from bot.engine.world import World
from bot.incident.plan import Candidate, Preflight, Step, StepSpec
from strategies.common.choice import Option
from strategies.common.commands import json_patch, kubectl
from strategies.common.preflights import blocked, passed, warned
from strategies.kubernetes.preflights import DRY_RUN, check_patch
from strategies.kubernetes.scalers import Scalers
from strategies.kubernetes.templates import (
    CONTROLLER_SECONDS,
    revert_operations,
    revert_step,
    taken_back,
)
from strategies.kubernetes.workload import RolloutParams, others, portable_annotations
from strategies.recreate.apply_manifest import ApplyManifest, ApplyManifestParams

# Rolling back by taking a service down and bringing its old release up.

REVISION = "revision"
"""The old pod template is the one that the cluster keeps in a ReplicaSet."""


class RecreateTarget(Target):
    """A Deployment whose old pods must all be gone before a new one may start."""

    strategy: Literal["recreate"]
    namespace: Namespace
    deployment: str
    """Name of the Deployment."""
    manifest: str = REVISION
    """``revision``, or the path of the old manifest. ``{release}`` in a path stands for any
    release: every file that matches is a release to go back to."""
    autoscaler: Literal["restore", "refuse"] = "restore"
    """``restore``: what scales the Deployment is recorded, paused where it has to be, and given
    back at least its minimum. ``refuse``: a scaled Deployment is not recreated."""


# Where the old release of a recreated Deployment comes from: a ReplicaSet or a file.

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


# What server-side apply leaves behind: fields of other managers that a manifest does not name.
#
# A new environment variable of the bad release would survive applying the old manifest, because
# it belongs to whoever released it.

_TEMPLATE = ("f:spec", "f:template")


def without_leftovers(applied: Manifest) -> Manifest:
    """The pod template of an object that the bot has applied, with the bot's fields only.

    Defaults that somebody else owns are taken away too: the API server sets them again.
    """
    entries = [
        entry
        for entry in applied["metadata"].get("managedFields") or []
        if not entry.get("subresource")
    ]
    own = next(
        (
            _fields(entry)
            for entry in entries
            if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
        ),
        {},
    )
    template: Manifest = json.loads(json.dumps(applied["spec"]["template"]))
    for entry in entries:
        _prune(template, _fields(entry), own)
    return template


def _fields(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = entry.get("fieldsV1") or {}
    for step in _TEMPLATE:
        fields = fields.get(step) or {}
    return fields


def _prune(value: Any, fields: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Take out of ``value`` what is in ``fields`` and not in ``own`` (FieldsV1 notation)."""
    for step, inside in fields.items():
        kind, _, text = step.partition(":")
        if kind == "f" and isinstance(value, dict) and text in value:
            if step in own:
                _prune(value[text], inside, own[step])
            else:
                del value[text]
        elif kind in {"k", "v"} and isinstance(value, list):
            found = _item(value, kind, json.loads(text))
            if found is None:
                continue
            if step in own:
                _prune(value[found], inside, own[step])
            else:
                del value[found]


def _item(items: list[Any], kind: str, wanted: Any) -> int | None:
    """The place of an item by its keys (``k``) or by itself (``v``)."""
    for place, item in enumerate(items):
        same = item == wanted if kind == "v" else wanted.items() <= item.items()
        if same:
            return place
    return None


_OWNERS = "Field owners"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the write would lead to, found out by dry runs."""

    template: Facts
    """The pod template in the end."""
    applied_template: Facts
    """The one between applying and taking leftovers away."""
    managers: tuple[str, ...]
    preflights: tuple[Preflight, ...]


@dataclass(frozen=True, kw_only=True)
class RecreateChange:
    """From the live template to an old one, by way of no pods at all."""

    service: ServiceEntry
    target: RecreateTarget
    deployment: Manifest
    pods: Sequence[Manifest]
    source: Source
    scalers: Scalers
    outcome: Outcome
    from_release: str
    to_release: str

    @property
    def old_template(self) -> Facts:
        """What is live now."""
        return bare_template(self.deployment["spec"]["template"])

    @property
    def old(self) -> RolloutParams:
        """The Deployment with the template that is live now."""
        return self._with(self.old_template, self.from_release)

    @property
    def new(self) -> RolloutParams:
        """The Deployment with the template that it gets."""
        return self._with(self.outcome.template, self.to_release)

    def _with(self, template: Facts, release: str) -> RolloutParams:
        return RolloutParams(
            namespace=self.target.namespace,
            workload=self.target.deployment,
            template=template,
            release=release,
        )

    @property
    def recorded(self) -> int:
        """How many pods there are to be now."""
        return int(self.deployment["spec"].get("replicas", 1))

    @property
    def restored(self) -> int:
        """How many there are to be afterwards: an autoscaler never leaves zero by itself."""
        return max(self.recorded, self.scalers.minimum)

    @property
    def served_before(self) -> bool:
        """Whether any pod is ready now."""
        return bool(ready_names(self.pods))


async def outcome_of(
    world: World, target: RecreateTarget, deployment: Manifest, source: Source
) -> Outcome:
    """Try the write with ``dryRun=All``; nothing is stored."""
    if source.manifest is None:
        return await _reverted(world, target, deployment, source)
    try:
        return await _applied(world, target, deployment, source.manifest)
    except (PermanentError, TemporaryError) as error:
        # Where it cannot tell, a step would get stuck; the other preflights still count.
        refused = blocked(DRY_RUN, f"The API server would refuse the manifest. {error}")
        return Outcome(
            template=source.template,
            applied_template=source.template,
            managers=(),
            preflights=(refused,),
        )


async def _reverted(
    world: World, target: RecreateTarget, deployment: Manifest, source: Source
) -> Outcome:
    operations = revert_operations(
        deployment,
        deployment["spec"]["template"],
        source.template,
        portable_annotations(source.replica_set or {"metadata": {}}),
    )
    checked = await check_patch(
        world.cluster, DEPLOYMENTS, target.namespace, target.deployment, operations
    )
    return Outcome(
        template=source.template,
        applied_template=source.template,
        managers=(),
        preflights=(checked,),
    )


async def _applied(
    world: World, target: RecreateTarget, deployment: Manifest, manifest: Manifest
) -> Outcome:
    cluster, where = world.cluster, (DEPLOYMENTS, target.namespace, target.deployment)
    try:
        await cluster.apply(*where, manifest, dry_run=True)
        owners: tuple[str, ...] = ()
    except FieldsOwnedError as error:
        owners = error.managers
    applied = await cluster.apply(*where, manifest, dry_run=True, force=True)
    pruned = without_leftovers(applied)
    operations: list[Manifest] = [
        {"op": "test", "path": "/spec/template", "value": deployment["spec"]["template"]},
        {"op": "replace", "path": "/spec/template", "value": pruned},
    ]
    final = await cluster.patch(*where, operations, dry_run=True)
    return Outcome(
        template=bare_template(final["spec"]["template"]),
        applied_template=bare_template(applied["spec"]["template"]),
        managers=owners,
        preflights=(
            passed(DRY_RUN, "The API server accepts the manifest."),
            _check_owners(owners),
        ),
    )


def _check_owners(owners: tuple[str, ...]) -> Preflight:
    others = [owner for owner in owners if owner != FIELD_MANAGER]
    if not others:
        return passed(_OWNERS, "No field that the manifest changes belongs to another manager.")
    return warned(
        _OWNERS,
        f"The manifest takes fields over that {', '.join(others)} owns: whoever releases with it "
        "next must apply with --force-conflicts, or by the bot's name.",
    )


# The step that puts the old release in place while there are no pods.


def template_step(change: RecreateChange) -> Step:
    """The manifest is applied where there is one, else a ReplicaSet's template given back."""
    return _apply_step(change) if change.source.manifest else _revert_step(change)


def _revert_step(change: RecreateChange) -> Step:
    return revert_step(
        change.new,
        workload=change.deployment,
        annotations=portable_annotations(change.source.replica_set or {"metadata": {}}),
        from_release=change.from_release,
        title=f"Give Deployment {change.target.deployment} the template of {change.to_release} "
        f"again ({change.source.option.candidate.detail})",
    )


def _apply_step(change: RecreateChange) -> Step:
    outcome = change.outcome
    params = ApplyManifestParams.model_validate(
        {
            **change.new.model_dump(),
            "old_template": change.old_template,
            "applied_template": outcome.applied_template,
            "manifest": change.source.manifest,
            "managers": outcome.managers,
            "patience_seconds": CONTROLLER_SECONDS,
        }
    )
    return Step(
        title=f"Apply the manifest of {change.to_release} ({change.source.path})",
        action=StepSpec(kind=ApplyManifest.name, params=params.model_dump(mode="json")),
        expects={"template": change.old_template, "managers": list(outcome.managers)},
        inverse=taken_back(
            change.new,
            workload=change.deployment,
            annotations=portable_annotations(change.deployment),
            from_release=change.from_release,
        ),
        command=_apply_command(params),
        estimate_seconds=1.0,
    )


def _apply_command(params: ApplyManifestParams) -> str:
    text = shlex.quote(json.dumps(params.manifest, separators=(",", ":"), sort_keys=True))
    apply = kubectl(
        params.namespace,
        "apply",
        "--server-side",
        "--field-manager=rollback-bot",
        "--force-conflicts",
        "-f",
        "-",
    )
    command = f"printf %s {text} | {apply}"
    if same_template(params.template, params.applied_template):
        return command
    replaced = [{"op": "replace", "path": "/spec/template", "value": params.template}]
    patch = json_patch(params.namespace, "deployment", params.workload, replaced)
    return f"{command} && {patch}"
