"""Lists as the API serves them, in pages where that is asked for."""

from __future__ import annotations

import base64
import json

from sandbox.cluster.base import conversion
from sandbox.cluster.base.calls import Call
from sandbox.cluster.base.errors import gone
from sandbox.cluster.base.requests import number
from sandbox.cluster.base.types import Manifest


def list_of(call: Call, items: list[Manifest], metadata: Manifest) -> Manifest:
    """The list object; items of built-in kinds go without their type, as typed lists do."""
    served = [conversion.to_served(call.resource, item) for item in items]
    if not call.resource.custom:
        for item in served:
            item.pop("apiVersion", None)
            item.pop("kind", None)
    return {
        "kind": f"{call.resource.kind}List",
        "apiVersion": call.resource.gvr.api_version,
        "metadata": metadata,
        "items": served,
    }


def page_of(items: list[Manifest], call: Call, metadata: Manifest) -> list[Manifest]:
    """The page that `limit` and `continue` ask for; notes in the metadata how to go on."""
    token = call.query.get("continue", "")
    if token:
        after = _read_token(token)
        items = [item for item in items if _key(item) > after]
    limit = number(call.query, "limit") or 0
    if 0 < limit < len(items):
        metadata["continue"] = _write_token(items[limit - 1])
        if not call.query.get("labelSelector") and not call.query.get("fieldSelector"):
            metadata["remainingItemCount"] = len(items) - limit
        return items[:limit]
    return items


def _key(obj: Manifest) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _write_token(last: Manifest) -> str:
    return base64.urlsafe_b64encode(json.dumps(_key(last)).encode()).decode()


def _read_token(token: str) -> tuple[str, str]:
    try:
        namespace, name = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise gone("The provided continue parameter is too old or invalid") from error
    return namespace, name
