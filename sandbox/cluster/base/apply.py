"""Server-side apply: `PATCH` with `application/apply-patch+yaml`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sandbox.cluster.base import conversion
from sandbox.cluster.base.calls import Call, Reply, parse_body
from sandbox.cluster.base.errors import ApiError, Cause, bad_request, conflict, invalid
from sandbox.cluster.base.fieldsets import Path, differences, key_step, leaves, remove, shown
from sandbox.cluster.base.fieldvalidation import require_declared
from sandbox.cluster.base.managed import Entry, read_entries, write_entries
from sandbox.cluster.base.merge_schema import Node
from sandbox.cluster.base.ordering import ordered
from sandbox.cluster.base.requests import flag
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import Manifest, clone, rfc3339


def apply_object(store: ObjectStore, call: Call) -> Reply:
    """Applies the configuration in the body; raises ApiError 400, 409 with causes, or 422."""
    config = _configuration(call)
    gvr = call.resource.stored_as
    live = store.peek(gvr, call.info.namespace, call.info.name)
    wanted = Entry(
        manager=_manager(call),
        operation="Apply",
        api_version=call.resource.gvr.api_version,
        subresource=call.info.subresource,
        time=rfc3339(store.now()),
        paths=frozenset(leaves(config, call.resource.merge_schema)),
    )
    if live is None:
        return _create(store, call, config, wanted)
    served = conversion.to_served(call.resource, live)
    given_version = config["metadata"].get("resourceVersion")
    if given_version and given_version != live["metadata"]["resourceVersion"]:
        raise conflict(gvr, call.info.name)
    merged, entries = _merge(served, config, call, wanted)
    updated = store.update(
        gvr,
        conversion.to_stored(call.resource, merged),
        subresource=call.info.subresource or None,
        manager=wanted.manager,
        dry_run=call.dry_run,
        managed_fields=write_entries(entries),
    )
    return Reply(body=conversion.to_served(call.resource, updated))


def _create(store: ObjectStore, call: Call, config: Manifest, wanted: Entry) -> Reply:
    if call.info.subresource:
        store.get(call.resource.stored_as, call.info.namespace, call.info.name)
    created = store.create(
        call.resource.stored_as,
        conversion.to_stored(call.resource, _without_nulls(config)),
        manager=wanted.manager,
        dry_run=call.dry_run,
        managed_fields=write_entries([wanted]),
    )
    return Reply(body=conversion.to_served(call.resource, created), status=201)


def _configuration(call: Call) -> Manifest:
    config = parse_body(call.body, as_yaml=True)
    if not isinstance(config, dict):
        raise bad_request("error decoding YAML: the configuration must be an object")
    for field in ("apiVersion", "kind"):
        if not config.get(field):
            raise bad_request(f"Object '{field}' is missing in the configuration to apply")
    call.check(config)
    if config["metadata"].get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    require_declared(call, config)
    # Each endpoint applies only what it serves.
    if call.info.subresource == "status":
        return {
            key: value
            for key, value in config.items()
            if key in {"apiVersion", "kind", "metadata", "status"}
        }
    if call.resource.status:
        config.pop("status", None)
    return config


def _manager(call: Call) -> str:
    if not call.query.get("fieldManager"):
        cause = Cause.required("fieldManager", "is required for apply patch")
        raise invalid("meta.k8s.io", "PatchOptions", "", [cause])
    return call.manager


def _merge(
    live: Manifest, config: Manifest, call: Call, wanted: Entry
) -> tuple[Manifest, list[Entry]]:
    schema = call.resource.merge_schema
    entries = read_entries(live["metadata"].get("managedFields"))
    last = next((entry for entry in entries if entry.same_writer(wanted)), None)
    others = [entry for entry in entries if not entry.same_writer(wanted)]
    merged = _merge_value(clone(live), config, schema)
    changed, _ = differences(leaves(live, schema), leaves(merged, schema))
    contested = [
        (entry, path) for entry in others for path in sorted(entry.paths & frozenset(changed))
    ]
    if contested and not flag(call.query, "force"):
        raise _apply_conflict(contested)
    others = [replace(entry, paths=entry.paths - changed) for entry in others]
    if last is not None:
        for path in sorted(last.paths - wanted.paths):
            if not _owned(others, path) and not _owned([wanted], path):
                remove(merged, path, schema)
        if last.paths == wanted.paths and not changed:
            wanted = replace(wanted, time=last.time)
    return merged, [*others, wanted]


def _owned(entries: list[Entry], path: Path) -> bool:
    """Whether somebody owns the field or anything inside it."""
    return any(known[: len(path)] == path for entry in entries for known in entry.paths)


def _merge_value(live: Any, config: Any, node: Node) -> Any:
    if isinstance(config, dict) and isinstance(live, dict) and not node.atomic:
        for key, value in config.items():
            if value is not None:
                live[key] = _merge_value(live.get(key), value, node.child(key))
        return live
    if isinstance(config, list) and isinstance(live, list):
        return _merge_list(live, config, node)
    return _without_nulls(clone(config))


def _merge_list(live: list[Any], config: list[Any], node: Node) -> list[Any]:
    if node.apply_set:
        return list(dict.fromkeys([*live, *config]))
    if not node.apply_keys:
        return clone(config)

    def identity(item: Any) -> str:
        return key_step(item, node)

    known = {identity(item): item for item in live}
    merged = dict(known)
    for item in config:
        name = identity(item)
        merged[name] = _merge_value(known.get(name), item, node.item)
    wanted = [identity(item) for item in config]
    return ordered(list(merged.values()), wanted, list(known), identity)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


def _named(entry: Entry) -> str:
    text = f'"{entry.manager}"'
    if entry.subresource:
        text += f' with subresource "{entry.subresource}"'
    return f"{text} using {entry.api_version}" if entry.operation == "Update" else text


def _apply_conflict(contested: list[tuple[Entry, Path]]) -> ApiError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {_named(entry)}",
            "field": shown(path),
        }
        for entry, path in contested
    ]
    if len(contested) == 1:
        entry, path = contested[0]
        message = f"Apply failed with 1 conflict: conflict with {_named(entry)}: {shown(path)}"
    else:
        lines = []
        for name in sorted({_named(entry) for entry, _ in contested}):
            lines.append(f"conflicts with {name}:")
            lines += [f"- {shown(path)}" for entry, path in contested if _named(entry) == name]
        message = f"Apply failed with {len(contested)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", message, {"causes": causes})
