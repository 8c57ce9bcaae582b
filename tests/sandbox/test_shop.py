"""The shop's bad release really hurts customers, and they are counted."""

import asyncio
from datetime import UTC, datetime

import aiohttp

from sandbox.cluster.base.resources import CONFIGMAPS, DEPLOYMENTS, ENDPOINT_SLICES, SERVICES
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.node.images import ImageRegistry
from sandbox.cluster.node.timings import QUICK
from sandbox.shop import accounts, manifests
from sandbox.shop.delivery import install, release, rolled_out
from sandbox.shop.load import LoadGenerator, Outcome
from sandbox.shop.releases import Release
from sandbox.shop.server import push_releases
from tests.sandbox.cluster_world import is_rolled_out, pods, quick_cluster


async def served(load: LoadGenerator, more: int) -> None:
    """Waits until `more` further requests have been answered."""
    goal = load.counts().total + more
    await load.until(lambda: load.counts().total >= goal)


async def answer(url: str, path: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url + path) as response:
        return await response.text()


async def test_a_blue_green_release_turns_a_healthy_shop_into_a_failing_one_and_back() -> None:
    async with quick_cluster() as cluster:
        await install(cluster, "blue-green")
        url = cluster.service_url("shop", "checkout")
        async with LoadGenerator(url, 250) as load:
            await served(load, 60)
            before = datetime.now(UTC)
            await release(cluster, "blue-green")
            during = datetime.now(UTC)
            await served(load, 200)
            cluster.apply(manifests.checkout_service("blue"))
            await served(load, 60)
            after = datetime.now(UTC)
            await served(load, 60)
        assert load.counts(None, before).error_rate < 0.03
        assert load.counts(during, after).error_rate > 0.05
        assert load.counts(during, after).by_outcome[Outcome.HTTP_5XX] > 10
        assert load.counts(after).error_rate < 0.03
        selector = cluster.store.get(SERVICES, "shop", "checkout")["spec"]["selector"]
        assert selector == {"app": "checkout", "version": "blue"}


async def test_a_rolling_release_drops_no_request_and_records_its_cause() -> None:
    async with quick_cluster() as cluster:
        await install(cluster, "rolling")
        async with LoadGenerator(cluster.service_url("shop", "payments"), 150) as load:
            await served(load, 30)
            await release(cluster, "rolling", version="v1.9.0")
            await served(load, 30)
        dropped = {Outcome.REFUSED, Outcome.RESET, Outcome.TIMEOUT} & set(load.counts().by_outcome)
        assert not dropped
        found = cluster.store.get(DEPLOYMENTS, "shop", "payments")
        annotations = found["metadata"]["annotations"]
        assert annotations["kubernetes.io/change-cause"] == "Deploy payments v1.9.0"
        assert annotations["deployment.kubernetes.io/revision"] == "2"


async def test_the_same_seed_fails_the_same_requests() -> None:
    flaky = Release(version="v2.1.0", error_rate=0.3, latency=0.001, startup=0.01)

    async def failures() -> list[int]:
        images = ImageRegistry()
        push_releases(images, seed=3, releases=[flaky])
        async with Cluster(images=images, timings=QUICK) as cluster:
            await install(cluster, "blue-green", version="v2.1.0")
            url = cluster.service_url("shop", "checkout")
            async with aiohttp.ClientSession() as session:
                statuses = []
                for _ in range(40):
                    async with session.post(f"{url}/checkout") as response:
                        statuses.append(response.status)
        return [number for number, status in enumerate(statuses) if status == 500]

    first = await failures()
    assert first
    assert await failures() == first


async def test_a_pod_tells_version_health_and_metrics_and_logs_its_failures() -> None:
    async with quick_cluster() as cluster:
        await install(cluster, "blue-green", version="v2.1.0")
        url = cluster.service_url("shop", "checkout")
        assert '"version": "v2.1.0"' in await answer(url, "/version")
        assert '"ok"' in await answer(url, "/health")
        async with LoadGenerator(url, 200) as load:
            await served(load, 120)
        uids = [p["metadata"]["uid"] for p in pods(cluster, "checkout")]
        text = ""
        for uid in uids:
            address = cluster.runtime.address(uid, 8080)
            assert address is not None
            text += await answer(f"http://{address[0]}:{address[1]}", "/metrics")
        assert 'http_requests_total{code="500",method="GET",path="/checkout"}' in text
        assert (
            'http_request_duration_seconds_bucket{le="0.1",method="GET",path="/checkout"}' in text
        )
        assert 'path="/health"' not in text, "probes are not business"
        lines = [line.text for uid in uids for line in cluster.runtime.logs(uid, "checkout")]
        assert any(line.startswith("ERROR GET /checkout 500") for line in lines)
        assert "KeyError: 'EUR'" in lines


async def test_configuration_can_break_the_target_release_as_well() -> None:
    async with quick_cluster() as cluster:
        await install(cluster, "rolling")

        def misconfigure(obj: dict[str, dict[str, str]]) -> None:
            obj["data"]["SHOP_ERROR_RATE"] = "1"

        cluster.store.mutate(CONFIGMAPS, "shop", "payments-config", misconfigure)
        await release(cluster, "rolling", version="v1.9.0")
        cluster.apply(manifests.payments_deployment("v2.0.0"))
        await rolled_out(cluster, "payments")
        async with LoadGenerator(cluster.service_url("shop", "payments"), 100) as load:
            await served(load, 20)
        assert load.counts().by_outcome == {Outcome.HTTP_5XX: load.counts().total}


async def test_the_load_tells_refusals_and_timeouts_from_answers_and_can_pause() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(manifests.checkout_service("blue"))
        url = cluster.service_url("shop", "checkout")
        async with LoadGenerator(url, 100, request_timeout=0.2) as load:
            await served(load, 10)
            assert set(load.counts().by_outcome) == {Outcome.REFUSED}

            slow = manifests.checkout_deployment("blue", "v2.0.0", replicas=1)
            container = slow["spec"]["template"]["spec"]["containers"][0]
            container["env"] = [{"name": "SHOP_LATENCY_MS", "value": "5000"}]
            cluster.apply(slow)
            await cluster.until(lambda: is_rolled_out(cluster, "checkout-blue"))
            load.rate_per_second = 20
            await load.until(lambda: Outcome.TIMEOUT in load.counts().by_outcome)

            load.pause()
            await asyncio.sleep(0.3)
            settled = datetime.now(UTC)
            await asyncio.sleep(0.2)
            assert load.counts(settled).total == 0
            load.resume()
            await served(load, 3)


async def test_keep_alive_customers_use_one_connection() -> None:
    async with quick_cluster() as cluster:
        await install(cluster, "blue-green")
        url = cluster.service_url("shop", "checkout")
        async with LoadGenerator(url, 10, path="/version", keep_alive=True) as load:
            await served(load, 3)
            cluster.store.mutate(
                SERVICES, "shop", "checkout", lambda obj: obj["spec"].update(selector={"app": "x"})
            )
            slices = {"labels": "kubernetes.io/service-name=checkout"}
            await cluster.until(
                lambda: (
                    not any(
                        piece["endpoints"]
                        for piece in cluster.store.list(ENDPOINT_SLICES, "shop", **slices)
                    )
                )
            )
            await served(load, 3)
        assert load.counts().failed == 0, "established connections outlive the switch"


async def test_people_log_in_and_see_their_basket_at_any_pod() -> None:
    async with quick_cluster() as cluster:
        await install(cluster, "blue-green")
        url = cluster.service_url("shop", "checkout")
        async with aiohttp.ClientSession() as session:
            wrong = {"user": "smoke", "password": "guessed"}
            async with session.post(f"{url}/login", json=wrong) as answer:
                assert answer.status == 401
            right = {"user": accounts.USER, "password": accounts.PASSWORD}
            async with session.post(f"{url}/login", json=right) as answer:
                token = (await answer.json())["access"]["token"]
            bearer = {"Authorization": f"Bearer {token}", "Connection": "close"}
            for _ in range(3):
                async with session.get(f"{url}/basket", headers=bearer) as answer:
                    assert (await answer.json())["owner"] == "smoke"
            async with session.get(f"{url}/basket") as answer:
                assert answer.status == 401
