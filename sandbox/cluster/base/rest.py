"""The REST verbs on stored objects."""

from __future__ import annotations

from sandbox.cluster.base import conversion
from sandbox.cluster.base.calls import Call, Reply
from sandbox.cluster.base.deletions import delete_options
from sandbox.cluster.base.errors import (
    ApiError,
    Cause,
    invalid,
    method_not_allowed,
    no_such_resource,
)
from sandbox.cluster.base.fieldvalidation import validate_fields
from sandbox.cluster.base.lists import list_of, page_of
from sandbox.cluster.base.patching import patch_object
from sandbox.cluster.base.resources import CRDS, LEASES, PDBS
from sandbox.cluster.base.scale import scale_call
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import Manifest

_CONDITIONAL = {CRDS, LEASES, PDBS}


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
        items = page_of(items, call, metadata)
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
