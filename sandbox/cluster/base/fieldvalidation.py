"""The `fieldValidation` parameter: what becomes of fields that a kind does not declare."""

from __future__ import annotations

from sandbox.cluster.base.calls import Call
from sandbox.cluster.base.decoding import check, refuse_unknown
from sandbox.cluster.base.errors import ApiError, bad_request
from sandbox.cluster.base.types import Manifest

_MODES = ("Ignore", "Warn", "Strict")


def validate_fields(call: Call, obj: Manifest, before: Manifest | None = None) -> tuple[str, ...]:
    """Checks types and fields of what is to be stored; returns the warnings for the client.

    Only fields that were not there `before` count as new. Raises ApiError 400 for a wrong type,
    and in the mode `Strict` for an unknown field.
    """
    mode = call.query.get("fieldValidation") or "Warn"
    if mode not in _MODES:
        raise bad_request(
            f'PatchOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "{mode}"'
        )
    unknown = check(call.resource, obj)
    known = set(check(call.resource, before)) if unknown and before is not None else set()
    new = [path for path in unknown if path not in known]
    if mode == "Strict":
        refuse_unknown(call.resource, new)
    return tuple(f'unknown field "{path}"' for path in new) if mode == "Warn" else ()


def require_declared(call: Call, config: Manifest) -> None:
    """Server-side apply takes nothing that it has no schema for: ApiError 500, as upstream."""
    unknown = check(call.resource, config)
    if unknown:
        namespace, name = call.info.namespace, call.info.name
        place = f"{namespace}/{name}" if namespace else f"/{name}"
        what = f"{place}; {call.resource.gvr.api_version}, Kind={call.resource.kind}"
        raise ApiError(
            500,
            "",
            f"failed to create typed patch object ({what}): .{unknown[0]}: field not declared in "
            "schema",
        )
