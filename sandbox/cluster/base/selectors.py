"""Label and field selectors, in their query-string and their `LabelSelector` forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from sandbox.cluster.base.errors import bad_request
from sandbox.cluster.base.types import GVR, Manifest

Labels: TypeAlias = Mapping[str, str]
Requirement: TypeAlias = Callable[[Labels], bool]

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_SET = re.compile(rf"^({_KEY})\s+(in|notin)\s*\(([^)]*)\)$")
_EQUALITY = re.compile(rf"^({_KEY})\s*(==|=|!=)\s*({_VALUE})$")
_EXISTS = re.compile(rf"^(!?)\s*({_KEY})$")
_COMPARE = re.compile(rf"^({_KEY})\s*([<>])\s*(\d+)$")


def matches_labels(selector: str, labels: Labels) -> bool:
    """Whether the labels satisfy a query-string selector; 400 when it cannot be parsed."""
    return all(requirement(labels) for requirement in parse_labels(selector))


def parse_labels(selector: str) -> list[Requirement]:
    """The requirements of `a=b,c!=d,e in (f,g),h notin (i),j,!k`; raises ApiError 400."""
    parts = re.split(r",(?![^(]*\))", selector.strip())
    return [_requirement(part.strip()) for part in parts if part.strip()]


def _requirement(text: str) -> Requirement:
    if found := _SET.match(text):
        key, operator, inner = found.groups()
        values = {value.strip() for value in inner.split(",")}
        if operator == "in":
            return lambda labels: key in labels and labels[key] in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUALITY.match(text):
        key, operator, value = found.groups()
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _COMPARE.match(text):
        key, operator, bound = found.groups()
        return lambda labels: _compares(labels.get(key), operator, int(bound))
    if found := _EXISTS.match(text):
        negated, key = found.groups()
        return lambda labels: (key in labels) != bool(negated)
    raise bad_request(f'unable to parse requirement: found "{text}", expected: a valid requirement')


def _compares(value: str | None, operator: str, bound: int) -> bool:
    if value is None or not value.isdigit():
        return False
    return int(value) > bound if operator == ">" else int(value) < bound


def matches_label_selector(selector: Manifest | None, labels: Labels) -> bool:
    """Whether labels satisfy a `metav1.LabelSelector`; None selects nothing, {} everything."""
    if selector is None:
        return False
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    return all(
        _matches_expression(expression, labels)
        for expression in selector.get("matchExpressions") or []
    )


def _matches_expression(expression: Manifest, labels: Labels) -> bool:
    key, operator = expression["key"], expression["operator"]
    values = expression.get("values") or []
    match operator:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(f'"{operator}" is not a valid label selector operator')


def format_label_selector(selector: Manifest | None) -> str:
    """A `LabelSelector` as the query string that selects the same objects."""
    if selector is None:
        return "<none>"
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, values = expression["key"], ",".join(sorted(expression.get("values") or []))
        parts.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[expression["operator"]]
        )
    return ",".join(parts) or "<none>"


_METADATA_FIELDS = ("metadata.name", "metadata.namespace")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
    "services": ("spec.clusterIP", "spec.type"),
    "replicasets": ("status.replicas",),
    "jobs": ("status.successful",),
}


def parse_fields(selector: str, gvr: GVR) -> list[Callable[[Manifest], bool]]:
    """The requirements of a field selector; 400 for a field the resource does not index."""
    requirements = []
    for part in filter(None, (piece.strip() for piece in selector.split(","))):
        found = re.match(r"^([^=!]+?)(==|=|!=)(.*)$", part)
        if not found:
            raise bad_request(f"invalid selector: '{selector}'; can't understand '{part}'")
        path, operator, value = found.groups()
        if path not in _METADATA_FIELDS and path not in _FIELDS.get(gvr.resource, ()):
            raise bad_request(f"field label not supported: {path}")
        requirements.append(_field_requirement(path, operator, value))
    return requirements


def _field_requirement(path: str, operator: str, wanted: str) -> Callable[[Manifest], bool]:
    def check(obj: Manifest) -> bool:
        return (field_text(obj, path) == wanted) == (operator != "!=")

    return check


def field_text(obj: Manifest, path: str) -> str:
    """The value at a dotted path as text; empty when it is not set."""
    value: Any = obj
    if path == "source":
        path = "source.component"
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
