"""StatefulSets and DaemonSets: order, partitions, and the revert that stays stuck."""

from typing import Any

from sandbox.cluster.base.resources import CONTROLLER_REVISIONS, DAEMONSETS, PODS, STATEFULSETS
from sandbox.cluster.base.types import Manifest
from sandbox.cluster.cluster import Cluster
from tests.sandbox.cluster_world import (
    GOOD,
    NAMESPACE,
    OTHER,
    UNREADY,
    image_of,
    is_ready,
    pods,
    quick_cluster,
    workload,
)


def statefulset(image: str = GOOD, **spec: Any) -> Manifest:
    return workload("StatefulSet", "db", image, serviceName="db", **spec)


def images(cluster: Cluster) -> dict[str, str]:
    """By pod name, of the pods that are ready."""
    return {p["metadata"]["name"]: image_of(p) for p in pods(cluster, "db") if is_ready(p)}


def set_image(cluster: Cluster, image: str) -> None:
    def edit(obj: Manifest) -> None:
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = image

    cluster.store.mutate(STATEFULSETS, NAMESPACE, "db", edit)


def status(cluster: Cluster) -> Manifest:
    found: Manifest = cluster.store.get(STATEFULSETS, NAMESPACE, "db").get("status", {})
    return found


async def test_ordered_pods_come_one_after_the_other_and_are_updated_from_the_last() -> None:
    async with quick_cluster() as cluster:
        changes = cluster.store.subscribe()
        cluster.apply(statefulset(replicas=3))
        await cluster.until(lambda: len(images(cluster)) == 3)
        set_image(cluster, OTHER)
        await cluster.until(lambda: list(images(cluster).values()) == [OTHER] * 3)
        await cluster.until(
            lambda: status(cluster)["currentRevision"] == status(cluster)["updateRevision"]
        )
        created: list[str] = []
        deleted: list[str] = []
        while changes.pending():
            event = await anext(changes)
            if event.gvr == PODS and event.type in {"ADDED", "DELETED"}:
                (created if event.type == "ADDED" else deleted).append(
                    event.object["metadata"]["name"]
                )
        changes.close()
        assert created[:3] == ["db-0", "db-1", "db-2"]
        assert deleted == ["db-2", "db-1", "db-0"]
        assert len(cluster.store.list(CONTROLLER_REVISIONS, NAMESPACE)) == 2


async def test_a_partition_keeps_the_lower_ordinals_on_the_old_revision() -> None:
    async with quick_cluster() as cluster:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
        cluster.apply(statefulset(replicas=3, updateStrategy=strategy))
        await cluster.until(lambda: len(images(cluster)) == 3)
        set_image(cluster, OTHER)
        await cluster.until(lambda: images(cluster).get("db-2") == OTHER)
        assert images(cluster) == {"db-0": GOOD, "db-1": GOOD, "db-2": OTHER}
        await cluster.until(lambda: status(cluster).get("updatedReplicas") == 1)
        assert status(cluster)["currentReplicas"] == 2


async def test_a_reverted_set_stays_stuck_behind_its_broken_pod_until_that_is_deleted() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(statefulset(replicas=2))
        await cluster.until(lambda: len(images(cluster)) == 2)
        good = status(cluster)["updateRevision"]
        set_image(cluster, UNREADY)
        await cluster.until(
            lambda: any(
                image_of(p) == UNREADY and p.get("status", {}).get("phase") == "Running"
                for p in pods(cluster, "db")
            )
        )
        set_image(cluster, GOOD)
        await cluster.until(lambda: status(cluster)["updateRevision"] == good)
        stuck = cluster.store.get(PODS, NAMESPACE, "db-1")
        assert image_of(stuck) == UNREADY
        assert "deletionTimestamp" not in stuck["metadata"], "nobody deletes it for us"

        cluster.store.delete(PODS, NAMESPACE, "db-1")
        await cluster.until(lambda: images(cluster) == {"db-0": GOOD, "db-1": GOOD})
        revisions = {
            r["metadata"]["name"]: r["revision"]
            for r in cluster.store.list(CONTROLLER_REVISIONS, NAMESPACE)
        }
        assert revisions[good] == 3, "the revision that is used again becomes the newest"


async def test_parallel_pods_do_not_wait_for_each_other() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(statefulset(UNREADY, replicas=3, podManagementPolicy="Parallel"))
        await cluster.until(lambda: len(pods(cluster, "db")) == 3)


async def test_a_smaller_set_loses_its_highest_ordinals() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(statefulset(replicas=3))
        await cluster.until(lambda: len(images(cluster)) == 3)
        cluster.store.mutate(
            STATEFULSETS, NAMESPACE, "db", lambda obj: obj["spec"].update(replicas=1)
        )
        await cluster.until(
            lambda: [p["metadata"]["name"] for p in pods(cluster, "db")] == ["db-0"]
        )


async def test_a_daemonset_runs_on_every_node_and_rolls_node_by_node() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(workload("DaemonSet", "agent"))

        def running(image: str) -> set[str]:
            return {
                p["spec"]["nodeName"]
                for p in pods(cluster, "agent")
                if is_ready(p) and image_of(p) == image
            }

        await cluster.until(lambda: len(running(GOOD)) == 3)
        fewest = 3

        def rolled() -> bool:
            nonlocal fewest
            fewest = min(fewest, len(running(GOOD) | running(OTHER)))
            return len(running(OTHER)) == 3

        def edit(obj: Manifest) -> None:
            obj["spec"]["template"]["spec"]["containers"][0]["image"] = OTHER

        cluster.store.mutate(DAEMONSETS, NAMESPACE, "agent", edit)
        await cluster.until(rolled)
        assert fewest == 2, "one node at a time"
        found = cluster.store.get(DAEMONSETS, NAMESPACE, "agent")
        assert found["status"]["desiredNumberScheduled"] == 3
