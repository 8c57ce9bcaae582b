"""A Deployment rolls as upstream's does, seen through the store at every change."""

from datetime import UTC, datetime

import pytest

from sandbox.cluster.base.resources import DEPLOYMENTS, PODS, REPLICASETS
from sandbox.cluster.base.types import Manifest
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.controllers.rollout_math import fenceposts, proportional_sizes
from tests.sandbox.cluster_world import (
    GOOD,
    NAMESPACE,
    OTHER,
    UNREADY,
    change,
    condition,
    deployment,
    get_deployment,
    image_of,
    is_ready,
    is_rolled_out,
    pods,
    quick_cluster,
    replicasets,
    set_image,
)

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
CAUSE = "kubernetes.io/change-cause"


def rolling(surge: int | str, unavailable: int | str) -> Manifest:
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
    }


def images(cluster: Cluster) -> set[str]:
    """What runs and is not on its way out."""
    return {image_of(p) for p in pods(cluster) if "deletionTimestamp" not in p["metadata"]}


async def test_a_rolling_update_stays_within_surge_and_unavailable_at_every_moment() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(replicas=5, strategy=rolling(2, 1)))
        await cluster.until(lambda: is_rolled_out(cluster))
        world = {p["metadata"]["uid"]: p for p in pods(cluster)}
        sizes = {replicasets(cluster)[GOOD]["metadata"]["name"]: 5}
        changes = cluster.store.subscribe()
        set_image(cluster, "web", OTHER)
        await cluster.until(lambda: is_rolled_out(cluster))

        serving, asked_for = [], []
        while changes.pending():
            event = await anext(changes)
            if event.gvr == PODS:
                world[event.object["metadata"]["uid"]] = event.object
                serving.append(sum(is_ready(p) for p in world.values()))
            elif event.gvr == REPLICASETS:
                sizes[event.object["metadata"]["name"]] = event.object["spec"]["replicas"]
                asked_for.append(sum(sizes.values()))
        changes.close()
        assert min(serving) == 4, "at most one of five may be missing"
        assert max(asked_for) == 7, "at most two more than five may be asked for"
        assert images(cluster) == {OTHER}


async def test_an_undo_gives_the_old_replicaset_a_new_number_and_remembers_the_former_one() -> None:
    async with quick_cluster() as cluster:
        first = deployment(replicas=2)
        first["metadata"]["annotations"] = {CAUSE: "first"}
        cluster.apply(first)
        await cluster.until(lambda: is_rolled_out(cluster))

        def release(obj: Manifest) -> None:
            obj["metadata"]["annotations"][CAUSE] = "second"
            obj["spec"]["template"]["spec"]["containers"][0]["image"] = OTHER
            obj["spec"]["replicas"] = 3

        change(cluster, "web", release)
        await cluster.until(lambda: is_rolled_out(cluster))
        old, new = replicasets(cluster)[GOOD], replicasets(cluster)[OTHER]
        assert old["metadata"]["annotations"][CAUSE] == "first"
        assert new["metadata"]["annotations"][CAUSE] == "second"
        assert new["metadata"]["annotations"][REVISION] == "2"
        assert get_deployment(cluster)["metadata"]["annotations"][REVISION] == "2"

        def undo(obj: Manifest) -> None:
            template = old["spec"]["template"]
            del template["metadata"]["labels"]["pod-template-hash"]
            obj["spec"]["template"] = template
            obj["metadata"]["annotations"][CAUSE] = "first"

        change(cluster, "web", undo)
        await cluster.until(lambda: is_rolled_out(cluster))
        reused = replicasets(cluster)[GOOD]
        assert reused["metadata"]["uid"] == old["metadata"]["uid"]
        assert reused["metadata"]["annotations"][REVISION] == "3"
        assert reused["metadata"]["annotations"][HISTORY] == "1"
        assert reused["spec"]["replicas"] == 3, "an undo keeps the scale of today"
        assert get_deployment(cluster)["metadata"]["annotations"][REVISION] == "3"


async def test_the_controllers_own_annotations_are_no_new_generation() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(replicas=1))
        await cluster.until(lambda: is_rolled_out(cluster))
        assert get_deployment(cluster)["metadata"]["generation"] == 1


async def test_a_paused_deployment_follows_its_scale_but_not_its_template() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(replicas=2))
        await cluster.until(lambda: is_rolled_out(cluster))

        def pause(obj: Manifest) -> None:
            obj["spec"]["paused"] = True
            obj["spec"]["template"]["spec"]["containers"][0]["image"] = OTHER
            obj["spec"]["replicas"] = 3

        change(cluster, "web", pause)
        await cluster.until(lambda: sum(is_ready(p) for p in pods(cluster)) == 3)
        assert images(cluster) == {GOOD}
        assert condition(get_deployment(cluster), "Progressing")["reason"] == "DeploymentPaused"

        change(cluster, "web", lambda obj: obj["spec"].update(paused=False))
        await cluster.until(lambda: is_rolled_out(cluster))
        assert images(cluster) == {OTHER}


async def test_a_release_that_never_gets_ready_exceeds_its_deadline_and_leaves_the_rest_alone() -> (
    None
):
    async with quick_cluster() as cluster:
        cluster.apply(deployment(replicas=4, progressDeadlineSeconds=1))
        await cluster.until(lambda: is_rolled_out(cluster))
        set_image(cluster, "web", UNREADY)

        def progressing() -> Manifest:
            return condition(get_deployment(cluster), "Progressing")

        await cluster.until(lambda: progressing()["reason"] == "ProgressDeadlineExceeded")
        assert progressing()["status"] == "False"
        stuck = get_deployment(cluster)
        assert condition(stuck, "Available")["status"] == "True"
        assert sum(is_ready(p) and image_of(p) == GOOD for p in pods(cluster)) == 3
        # 25 % surge and 25 % unavailable: two of the new ones wait, one of the old ones went.
        assert stuck["status"]["updatedReplicas"] == 2
        assert stuck["status"]["unavailableReplicas"] == 2

        set_image(cluster, "web", GOOD)
        await cluster.until(lambda: is_rolled_out(cluster))
        assert progressing()["reason"] == "NewReplicaSetAvailable"


async def test_a_deadline_condition_outlives_the_undo_until_there_is_progress() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(replicas=1, progressDeadlineSeconds=1))
        await cluster.until(lambda: is_rolled_out(cluster))
        set_image(cluster, "web", UNREADY)
        await cluster.until(
            lambda: (
                condition(get_deployment(cluster), "Progressing").get("reason")
                == "ProgressDeadlineExceeded"
            )
        )
        exceeded = condition(get_deployment(cluster), "Progressing")
        changes = cluster.store.subscribe()
        undone_at = datetime.now(UTC)
        set_image(cluster, "web", GOOD)
        generation = get_deployment(cluster)["metadata"]["generation"]
        await cluster.until(lambda: is_rolled_out(cluster))

        stale = []
        while changes.pending():
            event = await anext(changes)
            if event.gvr == DEPLOYMENTS:
                status = event.object["status"]
                if status["observedGeneration"] == generation:
                    stale.append(condition(event.object, "Progressing"))
        changes.close()
        assert stale[0] == exceeded, "the controller has seen the undo and still shows the old news"
        assert datetime.fromisoformat(stale[0]["lastUpdateTime"]) <= undone_at
        assert stale[-1]["reason"] == "NewReplicaSetAvailable"


async def test_recreate_lets_the_last_old_pod_go_before_the_first_new_one_comes() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(replicas=3, strategy={"type": "Recreate"}))
        await cluster.until(lambda: is_rolled_out(cluster))
        changes = cluster.store.subscribe()
        images = {p["metadata"]["uid"]: image_of(p) for p in pods(cluster)}
        set_image(cluster, "web", OTHER)
        await cluster.until(lambda: is_rolled_out(cluster))
        mixtures = set()
        while changes.pending():
            event = await anext(changes)
            if event.gvr == PODS:
                images[event.object["metadata"]["uid"]] = image_of(event.object)
                if event.type == "DELETED":
                    del images[event.object["metadata"]["uid"]]
                mixtures.add(frozenset(images.values()))
        changes.close()
        assert mixtures == {frozenset({GOOD}), frozenset(), frozenset({OTHER})}


async def test_old_replicasets_beyond_the_history_limit_are_deleted() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(replicas=1, revisionHistoryLimit=1))
        for image in (GOOD, OTHER, "shop/payments:v2.0.0", "shop/payments:v1.9.0"):
            set_image(cluster, "web", image)
            await cluster.until(lambda: is_rolled_out(cluster))
        await cluster.until(lambda: len(replicasets(cluster)) == 2)
        assert set(replicasets(cluster)) == {"shop/payments:v2.0.0", "shop/payments:v1.9.0"}


async def test_a_ready_pod_is_available_only_after_min_ready_seconds() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(replicas=1, minReadySeconds=1))
        await cluster.until(lambda: get_deployment(cluster).get("status", {}).get("readyReplicas"))
        assert "availableReplicas" not in get_deployment(cluster)["status"]
        assert condition(get_deployment(cluster), "Available")["status"] == "False"
        await cluster.until(lambda: is_rolled_out(cluster))
        assert condition(get_deployment(cluster), "Available")["status"] == "True"


async def test_a_pod_that_loses_its_labels_is_released_and_replaced() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(replicas=2))
        await cluster.until(lambda: is_rolled_out(cluster))
        isolated = pods(cluster)[0]["metadata"]["name"]

        def relabel(pod: Manifest) -> None:
            pod["metadata"]["labels"] = {"app": "debugging"}

        cluster.store.mutate(PODS, NAMESPACE, isolated, relabel)
        await cluster.until(lambda: sum(is_ready(p) for p in pods(cluster)) == 2)
        released = cluster.store.get(PODS, NAMESPACE, isolated)
        assert not released["metadata"].get("ownerReferences")
        assert is_ready(released), "it goes on running, for whoever wants to look at it"


async def test_deleting_the_deployment_ends_replicasets_pods_and_processes() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(replicas=2))
        await cluster.until(lambda: is_rolled_out(cluster))
        uid = pods(cluster)[0]["metadata"]["uid"]
        assert cluster.runtime.address(uid, 8080) is not None
        cluster.store.delete(DEPLOYMENTS, NAMESPACE, "web")
        await cluster.until(lambda: not pods(cluster))
        assert not cluster.store.list(REPLICASETS, NAMESPACE)
        assert cluster.runtime.address(uid, 8080) is None


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (4, "25%", "25%", (1, 1)),
        (3, "25%", "25%", (1, 0)),
        (10, "25%", "25%", (3, 2)),
        (1, "0%", "50%", (0, 1)),
        (2, 0, "10%", (0, 1)),
        (5, 2, 1, (2, 1)),
    ],
)
def test_percentages_round_surge_up_and_unavailable_down_and_never_both_to_zero(
    replicas: int, surge: int | str, unavailable: int | str, expected: tuple[int, int]
) -> None:
    obj = deployment(replicas=replicas, strategy=rolling(surge, unavailable))
    assert fenceposts(obj) == expected


def test_scaling_during_a_rollout_spreads_over_the_replicasets_in_proportion() -> None:
    """The example of the Kubernetes documentation: 10 replicas grow to 15 in mid-rollout."""

    def replicaset(name: str, size: int) -> Manifest:
        annotations = {"deployment.kubernetes.io/max-replicas": "13"}
        metadata = {"name": name, "creationTimestamp": name, "annotations": annotations}
        return {"metadata": metadata, "spec": {"replicas": size}}

    obj = deployment(replicas=15, strategy=rolling(3, 2))
    sizes = proportional_sizes(obj, [replicaset("old", 8), replicaset("new", 5)])
    assert {rs["metadata"]["name"]: size for rs, size in sizes} == {"old": 11, "new": 7}
