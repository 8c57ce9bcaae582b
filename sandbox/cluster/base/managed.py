"""metadata.managedFields: who set which field, and how.

The rules are those of https://kubernetes.io/docs/reference/using-api/server-side-apply/.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sandbox.cluster.base.fieldsets import Path, decode, differences, encode, leaves
from sandbox.cluster.base.merge_schema import Node
from sandbox.cluster.base.types import Manifest, Manifests, rfc3339


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What one manager owns through one kind of write. `time` is RFC 3339."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    paths: frozenset[Path]

    def same_writer(self, other: Entry) -> bool:
        """Whether both are the record of the same manager, operation and subresource."""
        mine = (self.manager, self.operation, self.subresource)
        return mine == (other.manager, other.operation, other.subresource)

    def to_manifest(self) -> Manifest:
        """The entry as the object carries it."""
        entry = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": encode(self.paths),
        }
        if self.subresource:
            entry["subresource"] = self.subresource
        return entry


def read_entries(managed_fields: Any) -> list[Entry]:
    """The entries of an object; what is not of the form is left out."""
    return [
        Entry(
            manager=each.get("manager", "unknown"),
            operation=each["operation"],
            api_version=each.get("apiVersion", ""),
            subresource=each.get("subresource", ""),
            time=each.get("time", ""),
            paths=frozenset(decode(each.get("fieldsV1") or {})),
        )
        for each in managed_fields or []
        if isinstance(each, dict) and each.get("operation") in {"Apply", "Update"}
    ]


def write_entries(entries: Iterable[Entry]) -> Manifests:
    """The entries that own anything, applied ones first, then by time."""
    owning = [entry for entry in entries if entry.paths]
    owning.sort(key=lambda each: (each.operation, each.time, each.manager, each.subresource))
    return [entry.to_manifest() for entry in owning]


def track_update(
    new: Manifest,
    old: Manifest | None,
    schema: Node,
    *,
    manager: str,
    subresource: str,
    now: datetime,
) -> None:
    """After an update: the manager owns what it changed, nobody owns what went away."""
    before = leaves(old, schema) if old is not None else {}
    changed, removed = differences(before, leaves(new, schema))
    if not changed and not removed:
        return
    writer = Entry(
        manager=manager,
        operation="Update",
        api_version=new["apiVersion"],
        subresource=subresource,
        time=rfc3339(now),
        paths=frozenset(changed),
    )
    new["metadata"]["managedFields"] = write_entries(
        _with_writer(read_entries(new["metadata"].get("managedFields")), writer, changed, removed)
    )


def _with_writer(
    entries: list[Entry], writer: Entry, changed: set[Path], removed: set[Path]
) -> list[Entry]:
    kept = []
    for entry in entries:
        if entry.same_writer(writer):
            writer = replace(writer, paths=(entry.paths - removed) | writer.paths)
            if writer.paths == entry.paths and not changed:
                writer = replace(writer, time=entry.time)
        else:
            kept.append(replace(entry, paths=entry.paths - changed - removed))
    return [*kept, writer]
