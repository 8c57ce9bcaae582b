"""`pods/eviction` and `pods/binding`."""

from __future__ import annotations

from sandbox.cluster.base.calls import Call, Reply
from sandbox.cluster.base.deletions import delete_options
from sandbox.cluster.base.errors import ApiError, bad_request
from sandbox.cluster.base.resources import PDBS, PODS
from sandbox.cluster.base.selectors import matches_label_selector
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import Manifest, clone

_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def evict(store: ObjectStore, call: Call) -> Reply:
    """Deletes the pod unless a PodDisruptionBudget forbids it: then 429.

    As the eviction registry does: a pod that is not ready, or already ends, needs no budget.
    """
    pod = store.get(PODS, call.info.namespace, call.info.name)
    options: Manifest = call.json().get("deleteOptions") or {}
    budgets = [
        budget
        for budget in store.list(PDBS, call.info.namespace)
        if matches_label_selector(
            budget["spec"].get("selector"), pod["metadata"].get("labels") or {}
        )
    ]
    if len(budgets) > 1:
        raise ApiError(
            500,
            "InternalError",
            "Internal error occurred: This pod has more than one PodDisruptionBudget, which the "
            "eviction subresource does not support.",
        )
    if budgets and _counts(pod):
        _spend(store, budgets[0], dry_run=call.dry_run)
    chosen = delete_options(call)
    store.delete(
        PODS,
        call.info.namespace,
        call.info.name,
        preconditions=options.get("preconditions"),
        grace_period_seconds=options.get("gracePeriodSeconds"),
        dry_run=bool(chosen["dry_run"] or options.get("dryRun")),
    )
    return Reply(body={**_SUCCESS, "code": 201}, status=201)


def _counts(pod: Manifest) -> bool:
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _spend(store: ObjectStore, budget: Manifest, *, dry_run: bool) -> None:
    metadata, status = budget["metadata"], budget.get("status") or {}
    name = metadata["name"]
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        raise _too_many(
            name, f"The disruption budget {name} is still being processed by the server."
        )
    allowed = status.get("disruptionsAllowed", 0)
    if allowed <= 0:
        raise _too_many(
            name,
            f"The disruption budget {name} needs {status.get('desiredHealthy', 0)} healthy pods "
            f"and has {status.get('currentHealthy', 0)} currently",
        )
    if not dry_run:
        changed = clone(budget)
        changed["status"]["disruptionsAllowed"] = allowed - 1
        store.update(PDBS, changed, subresource="status", manager="kube-apiserver")


def _too_many(name: str, why: str) -> ApiError:
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    cause = {"reason": "DisruptionBudget", "message": why}
    return ApiError(429, "TooManyRequests", message, {"causes": [cause]})


def bind(store: ObjectStore, call: Call) -> Reply:
    """Assigns the pod to a node."""
    pod = store.get(PODS, call.info.namespace, call.info.name)
    node = (call.json().get("target") or {}).get("name", "")
    if not node:
        raise bad_request("target.name: Required value")
    pod["spec"]["nodeName"] = node
    store.update(PODS, pod, subresource="binding", manager=call.manager, dry_run=call.dry_run)
    return Reply(body={**_SUCCESS, "code": 201}, status=201)
