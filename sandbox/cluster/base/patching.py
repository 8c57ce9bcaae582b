"""PATCH: which kind of patch it is, and the write it becomes."""

from __future__ import annotations

from sandbox.cluster.base import conversion
from sandbox.cluster.base.apply import apply_object
from sandbox.cluster.base.calls import Call, Reply, parse_body, unsupported_media_type
from sandbox.cluster.base.errors import bad_request
from sandbox.cluster.base.fieldvalidation import validate_fields
from sandbox.cluster.base.merge_schema import Node
from sandbox.cluster.base.patches import json_patch, merge_patch
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.strategic import strategic_merge
from sandbox.cluster.base.types import Manifest

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY_YAML = "application/apply-patch+yaml"


def patch_object(store: ObjectStore, call: Call) -> Reply:
    """Patches an object or its status."""
    if call.content_type == APPLY_YAML:
        return apply_object(store, call)
    gvr = call.resource.stored_as
    current = conversion.to_served(
        call.resource, store.get(gvr, call.info.namespace, call.info.name)
    )
    patched = apply_patch(call, current, call.resource.merge_schema)
    _keep_identity(current, patched)
    warnings = validate_fields(call, patched, current)
    updated = store.update(
        gvr,
        conversion.to_stored(call.resource, patched),
        subresource=call.info.subresource or None,
        manager=call.manager,
        dry_run=call.dry_run,
    )
    return Reply(body=conversion.to_served(call.resource, updated), warnings=warnings)


def apply_patch(call: Call, current: Manifest, schema: Node) -> Manifest:
    """The object after the patch in the call's body; raises ApiError 400, 415 or 422."""
    accepted = [JSON_PATCH, MERGE_PATCH]
    if not call.resource.custom:
        accepted.append(STRATEGIC)
    if call.content_type not in accepted:
        raise unsupported_media_type(*accepted, APPLY_YAML)
    patch = parse_body(call.body, as_yaml=False)
    if call.content_type == JSON_PATCH:
        return json_patch(current, patch)
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: the patch must be a JSON object")
    if call.content_type == MERGE_PATCH:
        merged: Manifest = merge_patch(current, patch)
        return merged
    return strategic_merge(current, patch, schema)


def _keep_identity(current: Manifest, patched: Manifest) -> None:
    before, after = current["metadata"], patched.get("metadata")
    if not isinstance(after, dict):
        raise bad_request("metadata must be a JSON object")
    for field in ("name", "namespace"):
        if after.get(field) != before.get(field):
            raise bad_request(
                f"the {field} of the object ({after.get(field, '')}) does not match the "
                f"{field} on the URL ({before.get(field, '')})"
            )
