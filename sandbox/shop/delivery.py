"""What the shop's CI does: first installations and releases, good and bad."""

from typing import Literal

from sandbox.cluster.base.resources import DEPLOYMENTS
from sandbox.cluster.cluster import Cluster
from sandbox.shop import manifests
from sandbox.shop.manifests import NAMESPACE

Layout = Literal["blue-green", "rolling"]


async def install(
    cluster: Cluster, layout: Layout, *, version: str = "v2.0.0", patience: float = 30.0
) -> None:
    """Brings the service up on its first version and waits, at most `patience` seconds."""
    if layout == "blue-green":
        cluster.apply(manifests.checkout_deployment("blue", version))
        cluster.apply(manifests.checkout_service("blue"))
        await rolled_out(cluster, "checkout-blue", patience)
        return
    for manifest in manifests.payments_configuration():
        cluster.apply(manifest)
    cluster.apply(manifests.payments_deployment(version))
    cluster.apply(manifests.payments_service())
    await rolled_out(cluster, "payments", patience)


async def release(
    cluster: Cluster, layout: Layout, *, version: str = "v2.1.0", patience: float = 30.0
) -> None:
    """Releases a version as CI does; the default is the one that degrades.

    Blue-green: rolls out green, then points the Service at it. Rolling: changes the image.
    Raises TimeoutError when the rollout is not complete after `patience` seconds; as in a real
    pipeline what was applied stays.
    """
    if layout == "blue-green":
        cluster.apply(manifests.checkout_deployment("green", version))
        await rolled_out(cluster, "checkout-green", patience)
        cluster.apply(manifests.checkout_service("green"))
        return
    cluster.apply(manifests.payments_deployment(version))
    await rolled_out(cluster, "payments", patience)


async def rolled_out(cluster: Cluster, deployment: str, patience: float = 30.0) -> None:
    """Waits for what `kubectl rollout status` waits for; raises TimeoutError."""

    def complete() -> bool:
        found = cluster.store.get(DEPLOYMENTS, NAMESPACE, deployment)
        status, wanted = found.get("status") or {}, int(found["spec"].get("replicas", 1))
        updated = status.get("updatedReplicas", 0)
        return bool(
            status.get("observedGeneration", 0) >= found["metadata"]["generation"]
            and updated >= wanted
            and status.get("replicas", 0) <= updated
            and status.get("availableReplicas", 0) >= updated
        )

    await cluster.until(complete, patience)
