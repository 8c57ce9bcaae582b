"""Addresses of the Kubernetes API, and how its answers are read."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from bot.adapters.kubernetes.api import Query
from bot.adapters.kubernetes.calls import Call
from bot.errors import PermanentError
from bot.ports.cluster import Kind, Manifest


def group_of(kind: Kind) -> str:
    """The API group; empty for the core group."""
    group, slash, _ = kind.api_version.partition("/")
    return group if slash else ""


def call_of(verb: str, kind: Kind, namespace: str, name: str = "") -> Call:
    """The call in the words of a right."""
    group = group_of(kind)
    resource = f"{kind.plural}.{group}" if group else kind.plural
    return Call(verb=verb, resource=resource, namespace=namespace, name=name)


def path_of(kind: Kind, namespace: str, name: str = "") -> str:
    """The address of an object, or of all objects of a kind in a namespace."""
    root = "/apis" if "/" in kind.api_version else "/api"
    path = f"{root}/{kind.api_version}/namespaces/{quote(namespace, safe='')}/{kind.plural}"
    return f"{path}/{quote(name, safe=':')}" if name else path


def selection(labels: str, fields: str) -> Query:
    """Query parameters for label and field selectors."""
    stated = (("labelSelector", labels), ("fieldSelector", fields))
    return [(name, value) for name, value in stated if value]


def parsed(call: Call, text: str) -> dict[str, Any]:
    """The answer's JSON object; raises PermanentError for anything else."""
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise PermanentError(
            f"The answer to “{call}” is not JSON.",
            "Check that the kubeconfig names a Kubernetes API server.",
        ) from error
    if not isinstance(answer, dict):
        raise PermanentError(f"The answer to “{call}” is not a Kubernetes object.")
    return answer


def typed_items(body: Manifest) -> list[Manifest]:
    """The items with their kind, which the API server states once for the whole list."""
    kind = str(body.get("kind", "")).removesuffix("List")
    return [
        {"apiVersion": body.get("apiVersion"), "kind": kind, **item}
        for item in body.get("items") or []
    ]
