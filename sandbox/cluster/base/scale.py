"""The `scale` subresource: replicas and selector of a workload, whatever its kind."""

from __future__ import annotations

from typing import Any

from sandbox.cluster.base.calls import Call, Reply
from sandbox.cluster.base.errors import Cause, conflict, invalid, method_not_allowed
from sandbox.cluster.base.merge_schema import PLAIN
from sandbox.cluster.base.patching import apply_patch
from sandbox.cluster.base.resources import ResourceType, ScalePaths
from sandbox.cluster.base.selectors import format_label_selector
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import Manifest, clone


def scale_call(store: ObjectStore, call: Call) -> Reply:
    """Reads or writes `spec.replicas` through an autoscaling/v1 Scale."""
    gvr, paths = call.resource.stored_as, call.resource.scale
    current = store.get(gvr, call.info.namespace, call.info.name)
    if paths is None or call.info.verb not in {"get", "update", "patch"}:
        raise method_not_allowed(gvr, call.info.verb)
    scale = scale_of(call.resource, paths, current)
    match call.info.verb:
        case "get":
            return Reply(body=scale)
        case "update":
            wanted = call.object()
        case _:
            wanted = apply_patch(call, scale, PLAIN)
    given = wanted.get("metadata", {}).get("resourceVersion")
    if given and given != current["metadata"]["resourceVersion"]:
        raise conflict(gvr, call.info.name)
    replicas = (wanted.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or replicas < 0:
        cause = Cause.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid("autoscaling", "Scale", call.info.name, [cause])
    _set(current, paths.spec_replicas, replicas)
    updated = store.update(
        gvr, current, subresource="scale", manager=call.manager, dry_run=call.dry_run
    )
    return Reply(body=scale_of(call.resource, paths, updated))


def scale_of(resource: ResourceType, paths: ScalePaths, obj: Manifest) -> Manifest:
    """The Scale that describes the object."""
    metadata = {
        key: clone(obj["metadata"][key])
        for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if key in obj["metadata"]
    }
    status: Manifest = {"replicas": _get(obj, paths.status_replicas) or 0}
    selector = _get(obj, paths.selector) if paths.selector else None
    if selector:
        is_text = isinstance(selector, str)
        status["selector"] = selector if is_text else format_label_selector(selector)
    replicas = _get(obj, paths.spec_replicas)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _get(obj: Manifest, path: str) -> Any:
    value: Any = obj
    for step in path.strip(".").split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _set(obj: Manifest, path: str, value: object) -> None:
    *parents, last = path.strip(".").split(".")
    for step in parents:
        obj = obj.setdefault(step, {})
    obj[last] = value
