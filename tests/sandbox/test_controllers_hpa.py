"""The autoscaler keeps its limits, follows its metric, and sleeps at zero."""

from sandbox.cluster.base.resources import HPAS
from sandbox.cluster.base.types import Manifest
from sandbox.cluster.cluster import Cluster
from tests.sandbox.cluster_world import (
    NAMESPACE,
    change,
    condition,
    deployment,
    get_deployment,
    is_rolled_out,
    quick_cluster,
)


def autoscaler(low: int, high: int) -> Manifest:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": low,
            "maxReplicas": high,
        },
    }


def hpa(cluster: Cluster) -> Manifest:
    return cluster.store.get(HPAS, NAMESPACE, "web")


def replicas(cluster: Cluster) -> int:
    return int(get_deployment(cluster)["spec"]["replicas"])


async def test_at_zero_replicas_it_is_inactive_and_never_scales_up_by_itself() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(replicas=3))
        cluster.apply(autoscaler(2, 5))
        await cluster.until(lambda: is_rolled_out(cluster))
        change(cluster, "web", lambda obj: obj["spec"].update(replicas=0))
        await cluster.until(
            lambda: condition(hpa(cluster), "ScalingActive").get("reason") == "ScalingDisabled"
        )
        await cluster.until(lambda: is_rolled_out(cluster))
        assert replicas(cluster) == 0

        change(cluster, "web", lambda obj: obj["spec"].update(replicas=1))
        await cluster.until(lambda: replicas(cluster) == 2)


async def test_it_keeps_the_target_within_its_limits() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(replicas=1))
        cluster.apply(autoscaler(2, 3))
        await cluster.until(lambda: replicas(cluster) == 2)
        change(cluster, "web", lambda obj: obj["spec"].update(replicas=6))
        await cluster.until(lambda: replicas(cluster) == 3)


async def test_it_follows_the_metric_up_to_the_maximum() -> None:
    async with quick_cluster(usage=lambda _: 1.5) as cluster:
        cluster.apply(deployment(replicas=2))
        cluster.apply(autoscaler(1, 4))
        await cluster.until(lambda: replicas(cluster) == 4)
        await cluster.until(
            lambda: condition(hpa(cluster), "ScalingLimited").get("reason") == "TooManyReplicas"
        )
