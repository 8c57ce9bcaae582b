"""Objects as a `meta.k8s.io/v1` Table: what `kubectl get` prints."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.base.columns import AGE, NAME, WORKLOAD_COLUMNS, Column
from sandbox.cluster.base.columns_network import NETWORK_COLUMNS
from sandbox.cluster.base.columns_pods import POD_COLUMNS
from sandbox.cluster.base.resources import ResourceType
from sandbox.cluster.base.types import Manifest

_COLUMNS = {"pods": POD_COLUMNS, **WORKLOAD_COLUMNS, **NETWORK_COLUMNS}
_GENERIC = (NAME, AGE)


def columns_of(resource: ResourceType) -> tuple[Column, ...]:
    """The columns of a resource; name and age where none are known."""
    if resource.custom:
        return resource.columns or _GENERIC
    return _COLUMNS.get(resource.gvr.resource, _GENERIC)


def as_table(
    resource: ResourceType,
    body: Manifest,
    *,
    now: datetime,
    include: str = "Metadata",
    headings: bool = True,
) -> Manifest:
    """A list or one object as a table. `include`: `None`, `Metadata` or `Object` in each row."""
    columns = columns_of(resource)
    items = body["items"] if "items" in body and _is_list(body) else [body]
    metadata = (
        body["metadata"]
        if _is_list(body)
        else {"resourceVersion": body["metadata"].get("resourceVersion", "")}
    )
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in columns] if headings else None,
        "rows": [
            {
                "cells": [column.cell(item, now) for column in columns],
                **_row_object(item, include),
            }
            for item in items
        ],
    }


def _is_list(body: Manifest) -> bool:
    return str(body.get("kind", "")).endswith("List")


def _definition(column: Column) -> Manifest:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": f"{column.name} of the object, as kubectl prints it.",
        "priority": column.priority,
    }


def _row_object(item: Manifest, include: str) -> Manifest:
    if include == "None":
        return {}
    return {"object": item if include == "Object" else as_partial_metadata(item)}


def as_partial_metadata(body: Manifest) -> Manifest:
    """Only the metadata of an object, or of every object of a list."""
    if _is_list(body):
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": body["metadata"],
            "items": [as_partial_metadata(item) for item in body["items"]],
        }
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": body["metadata"],
    }
