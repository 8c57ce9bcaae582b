"""CustomResourceDefinitions: from the object to a resource that is served."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sandbox.cluster.base.columns import AGE, NAME, Column
from sandbox.cluster.base.durations import age
from sandbox.cluster.base.merge_schema import custom_schema
from sandbox.cluster.base.resources import ResourceType, ScalePaths
from sandbox.cluster.base.types import GVR, Manifest, rfc3339


def served_resources(definition: Manifest) -> Iterator[ResourceType]:
    """The resources the definition declares, one a served version; all share the stored one."""
    spec = definition["spec"]
    names = spec["names"]
    stored = next(version["name"] for version in spec["versions"] if version.get("storage"))
    storage = GVR(group=spec["group"], version=stored, resource=names["plural"])
    for version in spec["versions"]:
        if not version.get("served", True):
            continue
        gvr = GVR(group=spec["group"], version=version["name"], resource=names["plural"])
        subresources = version.get("subresources") or {}
        schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
        yield ResourceType(
            gvr=gvr,
            kind=names["kind"],
            namespaced=spec["scope"] == "Namespaced",
            singular=names["singular"],
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            status="status" in subresources,
            scale=_scale(subresources.get("scale")),
            generation=True,
            custom=True,
            storage=None if gvr == storage else storage,
            columns=_columns(version.get("additionalPrinterColumns")),
            custom_schema=custom_schema(schema),
        )


def _scale(declared: Manifest | None) -> ScalePaths | None:
    if declared is None:
        return None
    return ScalePaths(
        spec_replicas=declared["specReplicasPath"],
        status_replicas=declared["statusReplicasPath"],
        selector=declared.get("labelSelectorPath"),
    )


def _columns(declared: list[Manifest] | None) -> tuple[Column, ...]:
    if not declared:
        return (NAME, AGE)
    columns = [NAME, *(_column(each) for each in declared)]
    return tuple(columns)


def _column(declared: Manifest) -> Column:
    path = declared["jsonPath"]
    is_date = declared.get("type") == "date"

    def cell(obj: Manifest, now: datetime) -> Any:
        value = _at(obj, path)
        return age(value, now) if is_date and value else value

    return Column(
        name=declared["name"],
        cell=cell,
        type="string" if is_date else declared.get("type", "string"),
        priority=declared.get("priority", 0),
    )


def _at(obj: Manifest, path: str) -> Any:
    value: Any = obj
    for step in path.strip(".").replace("\\.", "\0").split("."):
        value = value.get(step.replace("\0", ".")) if isinstance(value, dict) else None
    return value


def established(definition: Manifest, now: datetime) -> Manifest:
    """The status of a definition whose names are accepted."""
    spec = definition["spec"]
    conditions = [
        {
            "type": kind,
            "status": "True",
            "lastTransitionTime": rfc3339(now),
            "reason": reason,
            "message": message,
        }
        for kind, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]
    return {
        "conditions": conditions,
        "acceptedNames": dict(spec["names"]),
        "storedVersions": [each["name"] for each in spec["versions"] if each.get("storage")],
    }
