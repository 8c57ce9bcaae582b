"""The payments service as a StatefulSet or DaemonSet."""

from __future__ import annotations

from typing import Any

from bot.clouds.kubernetes.rollouts import WorkloadKind, is_rolled_out
from bot.engine.world import World
from sandbox.cluster.base.resources import CONTROLLER_REVISIONS
from sandbox.cluster.base.types import Manifest
from sandbox.cluster.cluster import Cluster
from sandbox.shop import manifests
from tests.strategies.support import NAMESPACE, Shop, payments


def workload(kind: WorkloadKind, version: str, **spec: Any) -> Manifest:
    """Two pods of a StatefulSet, or one on every node; pods that stop without delay."""
    made = manifests.payments_deployment(version, replicas=2)
    made["kind"] = kind
    pod = made["spec"]["template"]["spec"]
    pod["containers"][0].pop("lifecycle")
    if kind == "DaemonSet":
        del made["spec"]["replicas"]
        # All nodes at once: how many at a time is the controller's affair, not the bot's.
        made["spec"]["updateStrategy"] = {"rollingUpdate": {"maxUnavailable": "100%"}}
    else:
        made["spec"]["serviceName"] = "payments"
    made["spec"].update(spec)
    return made


async def rolled_out(shop: Shop) -> None:
    """Until all pods follow the template."""
    await shop.cluster.until(lambda: is_rolled_out(shop.get(shop.workload, "payments")), 20)


async def released(sandbox: Cluster, world: World, kind: WorkloadKind, **spec: Any) -> Shop:
    """v2.0.0 and then v2.1.0, each rolled out."""
    shop = Shop(cluster=sandbox, world=world, strategy="rolling", service=payments(kind))
    for manifest in [*manifests.payments_configuration(), manifests.payments_service()]:
        sandbox.apply(manifest)
    for version in ("v2.0.0", "v2.1.0"):
        sandbox.apply(workload(kind, version, **spec))
        await sandbox.until(lambda: shop.get(shop.workload, "payments").get("status"))
        await rolled_out(shop)
    return shop


def revisions(shop: Shop) -> list[Manifest]:
    """The ControllerRevisions of payments."""
    return shop.cluster.store.list(CONTROLLER_REVISIONS, NAMESPACE)


def releases(shop: Shop) -> dict[str, str]:
    """The release of each pod, by the pod's name."""
    return {
        pod["metadata"]["name"]: pod["metadata"]["labels"]["app.kubernetes.io/version"]
        for pod in shop.pods("payments")
    }


def break_with(shop: Shop, version: str) -> None:
    """Start to roll out a release that never gets ready."""
    shop.cluster.apply(workload("StatefulSet", version))
