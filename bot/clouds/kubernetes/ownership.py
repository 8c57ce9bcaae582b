"""Who wrote an object, and which automation would write it again: from its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from bot.clouds.kubernetes.workloads import annotations_of, labels_of, moment
from bot.core.values import Value

FIELD_MANAGER = "rollback-bot"
"""Under this name the bot's writes stand in ``managedFields``."""

_EPOCH = datetime.fromtimestamp(0, tz=UTC)


class Write(Value):
    """The last write that an object's ``managedFields`` tell of."""

    manager: str
    operation: str
    """``Update`` or ``Apply``."""
    at: datetime | None

    @property
    def who(self) -> str:
        """The manager and how it wrote."""
        return f"{self.manager} ({self.operation})"


def last_write(manifest: Mapping[str, Any], *path: str, manager: str = "") -> Write | None:
    """The latest write that set the field at this path, by this manager if one is given.

    None when the object carries no such record. Status writes are left out.
    """
    return max(_writes(manifest, path, manager), key=_time, default=None)


def last_writer(manifest: Mapping[str, Any], *path: str) -> str:
    """Who last set the field, for a sentence: ``kubectl-patch (Update) at …``.

    Times are whole seconds: everybody who wrote in the last of them is named, but not the bot
    beside others, for it asks because of a change that is not its own.
    """
    writes = _writes(manifest, path) or _writes(manifest, ())
    if not writes:
        return "somebody (the object has no record of its writers)"
    latest = max(map(_time, writes))
    late = [write for write in writes if _time(write) == latest]
    others = [write for write in late if write.manager != FIELD_MANAGER]
    last = sorted({write.who for write in others or late})
    when = f" at {latest:%Y-%m-%d %H:%M:%S} UTC" if latest > _EPOCH else ""
    return f"{' or '.join(last)}{when}"


def _writes(manifest: Mapping[str, Any], path: tuple[str, ...], manager: str = "") -> list[Write]:
    return [
        Write(
            manager=str(entry.get("manager") or "unknown"),
            operation=str(entry.get("operation") or "Update"),
            at=moment(entry.get("time")),
        )
        for entry in manifest["metadata"].get("managedFields") or []
        if not entry.get("subresource")
        and (not manager or entry.get("manager") == manager)
        and _sets(entry.get("fieldsV1") or {}, path)
    ]


def _time(write: Write) -> datetime:
    return write.at or _EPOCH


def _sets(fields: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    for step in path:
        found = fields.get(f"f:{step}")
        if found is None:
            return False
        fields = found
    return True


class GitOpsOwner(Value):
    """The automation that keeps an object as it is in git."""

    tool: Literal["Argo CD", "Flux"]
    kind: Literal["Application", "Kustomization", "HelmRelease"]
    namespace: str
    """Empty when the metadata do not tell it."""
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.tool} {self.kind} {where}{self.name}"


_TRACKING_ID = "argocd.argoproj.io/tracking-id"
_ARGO_LABEL = "argocd.argoproj.io/instance"
_ARGO_MANAGERS = frozenset({"argocd-controller", "argocd-application-controller"})
_COMMON_LABEL = "app.kubernetes.io/instance"
"""Argo CD's default tracking label before 3.0, which Helm charts set as well."""


def gitops_owner(manifest: Mapping[str, Any]) -> GitOpsOwner | None:
    """The GitOps tool that tracks the object, by its labels and annotations."""
    labels = labels_of(manifest)
    for group, kind in (("kustomize", "Kustomization"), ("helm", "HelmRelease")):
        name = labels.get(f"{group}.toolkit.fluxcd.io/name")
        if name:
            namespace = labels.get(f"{group}.toolkit.fluxcd.io/namespace", "")
            return GitOpsOwner.model_validate(
                {"tool": "Flux", "kind": kind, "namespace": namespace, "name": name}
            )
    application = _argo_application(manifest)
    if not application:
        return None
    # An application outside of the control plane's namespace is tracked as namespace_name.
    namespace, _, name = application.rpartition("_")
    return GitOpsOwner(tool="Argo CD", kind="Application", namespace=namespace, name=name)


def _argo_application(manifest: Mapping[str, Any]) -> str:
    tracked = annotations_of(manifest).get(_TRACKING_ID, "").partition(":")[0]
    labels = labels_of(manifest)
    if tracked or labels.get(_ARGO_LABEL):
        return tracked or labels[_ARGO_LABEL]
    managers = {entry.get("manager") for entry in manifest["metadata"].get("managedFields") or []}
    return labels.get(_COMMON_LABEL, "") if managers & _ARGO_MANAGERS else ""
