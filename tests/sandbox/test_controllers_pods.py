"""Pods that start, crash, cannot start, and end, as a person at the cluster would see them."""

import asyncio

import aiohttp

from sandbox.cluster.base.resources import CONFIGMAPS, EVENTS, PODS
from sandbox.cluster.base.types import Manifest
from tests.sandbox.cluster_world import (
    CRASHING,
    GOOD,
    MISSING,
    NAMESPACE,
    OTHER,
    deployment,
    is_ready,
    is_rolled_out,
    pods,
    quick_cluster,
    reasons,
    set_image,
    waiting_reason,
)


def first_container(pod: Manifest) -> Manifest:
    status: Manifest = pod["status"]["containerStatuses"][0]
    return status


async def test_a_pod_goes_from_pending_to_running_to_ready_on_a_node_with_its_own_address() -> None:
    async with quick_cluster() as cluster:
        changes = cluster.store.subscribe()
        cluster.apply(deployment(replicas=3))
        await cluster.until(lambda: is_rolled_out(cluster))
        running = pods(cluster)
        assert {p["spec"]["nodeName"] for p in running} == {"node-1", "node-2", "node-3"}
        addresses = {p["status"]["podIP"] for p in running}
        assert len(addresses) == 3
        assert all(address.startswith("10.244.") for address in addresses)
        name = running[0]["metadata"]["name"]
        story: list[tuple[str | None, str, bool]] = []
        while changes.pending():
            event = await anext(changes)
            if event.gvr == PODS and event.object["metadata"]["name"] == name:
                status = event.object.get("status", {})
                state = (status.get("phase"), waiting_reason(event.object), is_ready(event.object))
                if not story or story[-1] != state:
                    story.append(state)
        changes.close()
        assert story[-3:] == [
            ("Pending", "ContainerCreating", False),
            ("Running", "", False),
            ("Running", "", True),
        ]
        assert {"Scheduled", "Pulling", "Pulled", "Created", "Started"} <= reasons(cluster)


async def test_a_crashing_image_backs_off_longer_and_longer_and_keeps_the_last_words() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(image=CRASHING, replicas=1))
        await cluster.until(
            lambda: (
                pods(cluster)
                and waiting_reason(pods(cluster)[0]) == "CrashLoopBackOff"
                and first_container(pods(cluster)[0])["restartCount"] >= 2
            )
        )
        pod = pods(cluster)[0]
        container = first_container(pod)
        assert container["lastState"]["terminated"]["exitCode"] == 1
        assert container["lastState"]["terminated"]["reason"] == "Error"
        assert "back-off" in container["state"]["waiting"]["message"]
        assert pod["status"]["phase"] == "Running", "as upstream: it did run before"
        assert not is_ready(pod)
        last_words = cluster.runtime.logs(pod["metadata"]["uid"], "app", previous=True)
        assert "SettingsError: PRICING_V2_URL is not set" in last_words[-1].text
        assert "BackOff" in reasons(cluster)


async def test_an_image_that_does_not_exist_is_shown_and_pulled_once_it_does() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(image=MISSING, replicas=1))
        seen: set[str] = set()

        def backing_off() -> bool:
            seen.update(waiting_reason(p) for p in pods(cluster))
            return "ImagePullBackOff" in seen

        await cluster.until(backing_off)
        assert "ErrImagePull" in seen
        assert pods(cluster)[0]["status"]["phase"] == "Pending"
        messages = [e["message"] for e in cluster.store.list(EVENTS, NAMESPACE)]
        assert any(m.startswith(f'Failed to pull image "{MISSING}"') for m in messages)

        good = cluster.images.pull(GOOD)
        assert good is not None
        cluster.images.push(MISSING, good)
        await cluster.until(lambda: is_rolled_out(cluster))


async def test_a_missing_configmap_is_named_and_the_pod_starts_once_it_exists() -> None:
    async with quick_cluster() as cluster:
        manifest = deployment(replicas=1)
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        container["envFrom"] = [{"configMapRef": {"name": "settings"}}]
        cluster.apply(manifest)
        await cluster.until(
            lambda: (
                pods(cluster) and waiting_reason(pods(cluster)[0]) == "CreateContainerConfigError"
            )
        )
        waiting = first_container(pods(cluster)[0])["state"]["waiting"]
        assert waiting["message"] == 'configmap "settings" not found'
        cluster.store.create(
            CONFIGMAPS,
            {"metadata": {"name": "settings", "namespace": NAMESPACE}, "data": {"A": "b"}},
        )
        await cluster.until(lambda: is_rolled_out(cluster))


async def test_a_broken_release_is_undone_whatever_its_pods_suffer_from() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(replicas=2))
        await cluster.until(lambda: is_rolled_out(cluster))
        for broken, symptom in ((CRASHING, "CrashLoopBackOff"), (MISSING, "ImagePullBackOff")):
            set_image(cluster, "web", broken)
            await cluster.until(lambda: symptom in {waiting_reason(p) for p in pods(cluster)})  # noqa: B023
            assert sum(is_ready(p) for p in pods(cluster)) == 2
            set_image(cluster, "web", GOOD)
            await cluster.until(lambda: is_rolled_out(cluster))


async def test_a_pod_that_ends_finishes_the_request_it_is_answering() -> None:
    async with quick_cluster() as cluster:
        manifest = deployment(replicas=1)
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        container["env"] = [{"name": "SHOP_LATENCY_MS", "value": "300"}]
        cluster.apply(manifest)
        await cluster.until(lambda: is_rolled_out(cluster))
        pod = pods(cluster)[0]
        address = cluster.runtime.address(pod["metadata"]["uid"], 8080)
        assert address is not None
        url = f"http://{address[0]}:{address[1]}"
        async with aiohttp.ClientSession() as session:

            async def buy() -> int:
                async with session.get(f"{url}/checkout") as response:
                    return response.status

            purchase = asyncio.create_task(buy())
            await asyncio.sleep(0.05)
            set_image(cluster, "web", OTHER)
            await cluster.until(
                lambda: any("deletionTimestamp" in p["metadata"] for p in pods(cluster))
            )
            assert await purchase == 200
            await cluster.until(
                lambda: pod["metadata"]["uid"] not in {p["metadata"]["uid"] for p in pods(cluster)}
            )


async def test_a_pod_that_does_not_end_in_its_grace_period_is_killed() -> None:
    async with quick_cluster() as cluster:
        manifest = deployment(replicas=1)
        spec = manifest["spec"]["template"]["spec"]
        spec["terminationGracePeriodSeconds"] = 1
        spec["containers"][0]["env"] = [{"name": "SHOP_LATENCY_MS", "value": "60000"}]
        cluster.apply(manifest)
        await cluster.until(lambda: is_rolled_out(cluster))
        pod = pods(cluster)[0]
        address = cluster.runtime.address(pod["metadata"]["uid"], 8080)
        assert address is not None
        async with aiohttp.ClientSession() as session:
            purchase = asyncio.create_task(
                session.get(f"http://{address[0]}:{address[1]}/checkout").__aenter__()
            )
            await asyncio.sleep(0.05)
            cluster.store.delete(PODS, NAMESPACE, pod["metadata"]["name"])
            await cluster.until(
                lambda: pod["metadata"]["uid"] not in {p["metadata"]["uid"] for p in pods(cluster)},
                5,
            )
            (outcome,) = await asyncio.gather(purchase, return_exceptions=True)
            assert isinstance(outcome, aiohttp.ClientError)


async def test_a_liveness_probe_that_fails_restarts_the_container() -> None:
    async with quick_cluster() as cluster:
        manifest = deployment(replicas=1)
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        container["livenessProbe"] = {
            "httpGet": {"path": "/no-such-page", "port": 8080},
            "periodSeconds": 1,
            "failureThreshold": 2,
        }
        cluster.apply(manifest)
        await cluster.until(
            lambda: (
                pods(cluster)
                and pods(cluster)[0].get("status", {}).get("containerStatuses")
                and first_container(pods(cluster)[0])["restartCount"] >= 1
            )
        )
        assert {"Unhealthy", "Killing"} <= reasons(cluster)
