"""The REST verbs on stored objects."""

from __future__ import annotations

import base64
import json
from typing import Any

from sandbox.cluster import conversion
from sandbox.cluster.calls import Call, Reply
from sandbox.cluster.errors import (
    ApiError,
    Cause,
    bad_request,
    gone,
    invalid,
    method_not_allowed,
    no_such_resource,
)
from sandbox.cluster.fieldvalidation import validate_fields
from sandbox.cluster.garbage import Propagation
from sandbox.cluster.patching import patch_object
from sandbox.cluster.requests import flag, number
from sandbox.cluster.resources import CRDS, LEASES, PDBS
from sandbox.cluster.scale import scale_call
from sandbox.cluster.store import ObjectStore
from sandbox.cluster.types import Manifest

_CONDITIONAL = {CRDS, LEASES, PDBS}
_PROPAGATIONS: tuple[Propagation, ...] = ("Background", "Foreground", "Orphan")


class RestApi:
    """Answers the calls that read and write objects; raises ApiError."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def handle(self, call: Call) -> Reply:
        """Carries out the call."""
        self._check_served(call)
        if call.info.subresource == "scale":
            return scale_call(self._store, call)
        match call.info.verb:
            case "get":
                return self._get(call)
            case "list":
                return self._list(call)
            case "create":
                return self._create(call)
            case "update":
                return self._update(call)
            case "patch":
                return patch_object(self._store, call)
            case "delete":
                return self._delete(call)
            case "deletecollection":
                return self._delete_collection(call)
        raise method_not_allowed(call.resource.gvr, call.info.verb)

    @staticmethod
    def _check_served(call: Call) -> None:
        resource, subresource = call.resource, call.info.subresource
        served = {"": True, "status": resource.status, "scale": resource.scale is not None}
        if not served.get(subresource, False):
            raise no_such_resource()
        if not subresource and call.info.verb not in resource.verbs:
            raise method_not_allowed(resource.gvr, call.info.verb)

    def _get(self, call: Call) -> Reply:
        obj = self._store.get(call.resource.stored_as, call.info.namespace, _name(call))
        return Reply(body=conversion.to_served(call.resource, obj))

    def _list(self, call: Call) -> Reply:
        self._check_resource_version(call.query.get("resourceVersion", ""))
        items = self._store.list(
            call.resource.stored_as,
            call.info.namespace or None,
            labels=call.query.get("labelSelector", ""),
            fields=call.query.get("fieldSelector", ""),
        )
        metadata: Manifest = {"resourceVersion": str(self._store.resource_version)}
        items = _page(items, call, metadata)
        return Reply(body=list_of(call, items, metadata))

    def _check_resource_version(self, wanted: str) -> None:
        current = self._store.resource_version
        if wanted.isdigit() and int(wanted) > current:
            raise ApiError(
                504,
                "Timeout",
                f"Too large resource version: {wanted}, current: {current}",
                {
                    "causes": [
                        {
                            "reason": "ResourceVersionTooLarge",
                            "message": "Too large resource version",
                        }
                    ],
                    "retryAfterSeconds": 1,
                },
            )

    def _create(self, call: Call) -> Reply:
        if call.info.name:
            raise method_not_allowed(call.resource.gvr, "create")
        obj = call.object()
        warnings = validate_fields(call, obj)
        created = self._store.create(
            call.resource.stored_as,
            conversion.to_stored(call.resource, obj),
            manager=call.manager,
            dry_run=call.dry_run,
        )
        body = conversion.to_served(call.resource, created)
        return Reply(body=body, status=201, warnings=warnings)

    def _update(self, call: Call) -> Reply:
        _name(call)
        obj = call.object()
        _require_version(call, obj)
        warnings = validate_fields(call, obj)
        updated = self._store.update(
            call.resource.stored_as,
            conversion.to_stored(call.resource, obj),
            subresource=call.info.subresource or None,
            manager=call.manager,
            dry_run=call.dry_run,
        )
        return Reply(body=conversion.to_served(call.resource, updated), warnings=warnings)

    def _delete(self, call: Call) -> Reply:
        gvr, namespace, name = call.resource.stored_as, call.info.namespace, _name(call)
        last = self._store.delete(gvr, namespace, name, **delete_options(call))
        still_there = self._store.stored(gvr, last) is not None
        if call.resource.returns_deleted or (still_there and not call.dry_run):
            return Reply(body=conversion.to_served(call.resource, last))
        details = {"name": name, "kind": gvr.resource, "uid": last["metadata"]["uid"]}
        if gvr.group:
            details["group"] = gvr.group
        return Reply(
            body={
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "details": details,
            }
        )

    def _delete_collection(self, call: Call) -> Reply:
        items = self._store.list(
            call.resource.stored_as,
            call.info.namespace or None,
            labels=call.query.get("labelSelector", ""),
            fields=call.query.get("fieldSelector", ""),
        )
        options = delete_options(call)
        for item in items:
            metadata = item["metadata"]
            gvr, namespace = call.resource.stored_as, metadata.get("namespace")
            if self._store.stored(gvr, item) is not None:
                self._store.delete(gvr, namespace, metadata["name"], **options)
        return Reply(
            body=list_of(call, items, {"resourceVersion": str(self._store.resource_version)})
        )


def _require_version(call: Call, obj: Manifest) -> None:
    """Kinds without unconditional updates take no PUT without a resourceVersion."""
    gvr = call.resource.stored_as
    if obj["metadata"].get("resourceVersion") or not (call.resource.custom or gvr in _CONDITIONAL):
        return
    cause = Cause(
        field="metadata.resourceVersion",
        reason="FieldValueInvalid",
        message="Invalid value: 0x0: must be specified for an update",
    )
    raise invalid(gvr.group, call.resource.kind, call.info.name, [cause])


def _name(call: Call) -> str:
    if not call.info.name:
        raise method_not_allowed(call.resource.gvr, call.info.verb)
    return call.info.name


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


def _page(items: list[Manifest], call: Call, metadata: Manifest) -> list[Manifest]:
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


def delete_options(call: Call) -> dict[str, Any]:
    """What `ObjectStore.delete` is to do, from the DeleteOptions in the body and the query."""
    options: Manifest = call.json() if call.body else {}
    propagation = options.get("propagationPolicy") or call.query.get("propagationPolicy")
    orphan = options.get("orphanDependents", flag(call.query, "orphanDependents") or None)
    grace = options.get("gracePeriodSeconds")
    chosen: Propagation = "Orphan" if call.resource.orphan_by_default else "Background"
    if orphan is not None:
        chosen = "Orphan" if orphan else "Background"
    if propagation:
        if propagation not in _PROPAGATIONS:
            raise bad_request(f'invalid propagationPolicy: "{propagation}"')
        chosen = _PROPAGATIONS[_PROPAGATIONS.index(propagation)]
    return {
        "propagation": chosen,
        "preconditions": options.get("preconditions"),
        "grace_period_seconds": (
            grace if grace is not None else number(call.query, "gracePeriodSeconds")
        ),
        "dry_run": call.dry_run or "All" in (options.get("dryRun") or []),
    }
