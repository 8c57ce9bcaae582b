"""What the cluster's tests share: a quick cluster with the shop's images, and questions to it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sandbox.cluster.base.resources import DEPLOYMENTS, EVENTS, PODS, REPLICASETS
from sandbox.cluster.base.types import Manifest
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.node.images import ImageRegistry
from sandbox.cluster.node.timings import QUICK, KubeletTimings
from sandbox.shop.server import push_releases

NAMESPACE = "shop"
GOOD, OTHER = "shop/checkout:v2.0.0", "shop/checkout:v1.9.0"
CRASHING, UNREADY = "shop/checkout:v2.2.0-crash", "shop/checkout:v2.3.0-unready"
MISSING = "shop/checkout:v9.9.9"


@asynccontextmanager
async def quick_cluster(timings: KubeletTimings = QUICK, **options: Any) -> AsyncIterator[Cluster]:
    """A cluster whose pods start within some tens of milliseconds."""
    images = ImageRegistry()
    push_releases(images, seed=11, startup_factor=0.02)
    async with Cluster(images=images, timings=timings, **options) as cluster:
        yield cluster


def pod_template(image: str, labels: dict[str, str]) -> Manifest:
    container = {
        "name": "app",
        "image": image,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 1},
    }
    return {"metadata": {"labels": labels}, "spec": {"containers": [container]}}


def workload(kind: str, name: str, image: str = GOOD, **spec: Any) -> Manifest:
    """A Deployment, StatefulSet or DaemonSet; its pods are labelled `app: <name>`."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": pod_template(image, labels),
            **spec,
        },
    }


def deployment(name: str = "web", image: str = GOOD, **spec: Any) -> Manifest:
    return workload("Deployment", name, image, **spec)


def service(name: str, selector: dict[str, str], **spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": selector,
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            **spec,
        },
    }


def change(cluster: Cluster, name: str, fn: Callable[[Manifest], None]) -> Manifest:
    """Changes a Deployment as a person would."""
    return cluster.store.mutate(DEPLOYMENTS, NAMESPACE, name, fn, manager="test")


def set_image(cluster: Cluster, name: str, image: str) -> None:
    def edit(obj: Manifest) -> None:
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = image

    change(cluster, name, edit)


def get_deployment(cluster: Cluster, name: str = "web") -> Manifest:
    return cluster.store.get(DEPLOYMENTS, NAMESPACE, name)


def pods(cluster: Cluster, app: str = "web") -> list[Manifest]:
    return cluster.store.list(PODS, NAMESPACE, labels=f"app={app}")


def replicasets(cluster: Cluster, app: str = "web") -> dict[str, Manifest]:
    """By image."""
    found = cluster.store.list(REPLICASETS, NAMESPACE, labels=f"app={app}")
    return {rs["spec"]["template"]["spec"]["containers"][0]["image"]: rs for rs in found}


def image_of(pod: Manifest) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def is_ready(pod: Manifest) -> bool:
    """Ready and not on its way out: what may get traffic."""
    conditions = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def waiting_reason(pod: Manifest) -> str:
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    return str(statuses[0].get("state", {}).get("waiting", {}).get("reason", ""))


def condition(obj: Manifest, kind: str) -> Manifest:
    conditions: list[Manifest] = obj.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {})


def is_rolled_out(cluster: Cluster, name: str = "web") -> bool:
    """What `kubectl rollout status` calls successfully rolled out."""
    obj = get_deployment(cluster, name)
    status, wanted = obj.get("status", {}), obj["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= obj["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


def reasons(cluster: Cluster) -> set[str]:
    """The reasons of all events recorded so far."""
    return {event["reason"] for event in cluster.store.list(EVENTS, NAMESPACE)}
