"""Traffic: endpoints follow pods, new connections follow endpoints, old connections stay."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from sandbox.cluster.base.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from sandbox.cluster.base.types import Manifest
from sandbox.cluster.cluster import Cluster
from tests.sandbox.cluster_world import (
    GOOD,
    NAMESPACE,
    OTHER,
    UNREADY,
    change,
    deployment,
    is_rolled_out,
    pods,
    quick_cluster,
    service,
)


def endpoints(cluster: Cluster, name: str = "web") -> list[Manifest]:
    slices = cluster.store.list(
        ENDPOINT_SLICES, NAMESPACE, labels=f"kubernetes.io/service-name={name}"
    )
    return [endpoint for piece in slices for endpoint in piece["endpoints"]]


def ready_pods(cluster: Cluster) -> set[str]:
    return {e["targetRef"]["name"] for e in endpoints(cluster) if e["conditions"]["ready"]}


async def two_colours(cluster: Cluster) -> None:
    """`blue` and `green` run; the Service `web` leads to blue."""
    cluster.apply(deployment("blue", GOOD, replicas=2))
    cluster.apply(deployment("green", OTHER, replicas=2))
    cluster.apply(service("web", {"app": "blue"}))
    await cluster.until(lambda: is_rolled_out(cluster, "blue") and is_rolled_out(cluster, "green"))
    await cluster.until(lambda: len(ready_pods(cluster)) == 2)


async def version(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(f"{url}/version") as response:
        return str((await response.json())["version"])


async def is_version(session: aiohttp.ClientSession, url: str, wanted: str) -> bool:
    return await version(session, url) == wanted


async def eventually(question: Callable[[], Awaitable[bool]], *, expected: bool) -> None:
    """Asks over the wire, which tells nobody when its answer changes, for at most 5 s."""
    async with asyncio.timeout(5):
        while await question() != expected:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


async def test_a_selector_switch_moves_new_connections_and_leaves_established_ones() -> None:
    async with (
        quick_cluster() as cluster,
        aiohttp.ClientSession() as kept,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as fresh,
    ):
        await two_colours(cluster)
        url = cluster.service_url(NAMESPACE, "web")
        assert await version(kept, url) == "v2.0.0"
        cluster.store.mutate(
            SERVICES, NAMESPACE, "web", lambda obj: obj["spec"].update(selector={"app": "green"})
        )
        green = {p["metadata"]["name"] for p in pods(cluster, "green")}
        await cluster.until(lambda: ready_pods(cluster) == green)
        await eventually(lambda: is_version(fresh, url, "v1.9.0"), expected=True)
        assert [await version(fresh, url) for _ in range(4)] == ["v1.9.0"] * 4
        assert await version(kept, url) == "v2.0.0", "the old connection still leads to blue"


async def test_connections_are_spread_over_all_ready_pods() -> None:
    async with (
        quick_cluster() as cluster,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
    ):
        await two_colours(cluster)
        cluster.apply(service("both", {}))
        url = cluster.service_url(NAMESPACE, "web")
        for _ in range(6):
            async with session.get(f"{url}/checkout") as response:
                assert response.status == 200
        counts = []
        for pod in pods(cluster, "blue"):
            address = cluster.runtime.address(pod["metadata"]["uid"], 8080)
            assert address is not None
            async with session.get(f"http://{address[0]}:{address[1]}/metrics") as response:
                text = await response.text()
            line = next(x for x in text.splitlines() if x.startswith("http_requests_total{"))
            counts.append(float(line.split()[-1]))
        assert counts == [3.0, 3.0]


async def test_without_endpoints_a_connection_is_refused_and_the_port_stays_reserved() -> None:
    async with quick_cluster() as cluster, aiohttp.ClientSession() as session:
        cluster.apply(service("web", {"app": "web"}))
        url = cluster.service_url(NAMESPACE, "web")
        await cluster.until(lambda: cluster.store.list(ENDPOINT_SLICES, NAMESPACE))
        with pytest.raises(aiohttp.ClientConnectorError):
            await version(session, url)
        cluster.apply(deployment(replicas=1))
        await cluster.until(lambda: len(ready_pods(cluster)) == 1)

        async def answers() -> bool:
            try:
                return await version(session, url) == "v2.0.0"
            except aiohttp.ClientConnectorError:
                return False

        await eventually(answers, expected=True)
        assert cluster.service_url(NAMESPACE, "web") == url

        change(cluster, "web", lambda obj: obj["spec"].update(replicas=0))
        await cluster.until(lambda: not pods(cluster))
        await eventually(answers, expected=False)


async def test_a_pod_that_ends_is_terminating_and_serving_but_not_ready() -> None:
    async with quick_cluster() as cluster:
        manifest = deployment(replicas=1)
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": 5}}}
        cluster.apply(manifest)
        cluster.apply(service("web", {"app": "web"}))
        await cluster.until(lambda: len(ready_pods(cluster)) == 1)
        change(cluster, "web", lambda obj: obj["spec"].update(replicas=0))
        await cluster.until(lambda: not ready_pods(cluster))
        assert [e["conditions"] for e in endpoints(cluster)] == [
            {"ready": False, "serving": True, "terminating": True}
        ]
        async with aiohttp.ClientSession() as session:
            # With nothing better left, kube-proxy goes on to use it.
            assert await version(session, cluster.service_url(NAMESPACE, "web")) == "v2.0.0"


async def test_published_addresses_say_ready_of_pods_that_are_not() -> None:
    async with quick_cluster() as cluster:
        cluster.apply(deployment(image=UNREADY, replicas=1))
        cluster.apply(service("web", {"app": "web"}, publishNotReadyAddresses=True))
        cluster.apply(service("honest", {"app": "web"}))
        await cluster.until(lambda: endpoints(cluster) and endpoints(cluster, "honest"))
        assert endpoints(cluster)[0]["conditions"]["ready"] is True
        assert endpoints(cluster)[0]["conditions"]["serving"] is False
        assert endpoints(cluster, "honest")[0]["conditions"]["ready"] is False


async def test_endpoints_tell_the_same_as_the_slices() -> None:
    async with quick_cluster() as cluster:
        await two_colours(cluster)

        def addresses() -> set[str]:
            found = cluster.store.get(ENDPOINTS, NAMESPACE, "web")
            subsets = found.get("subsets") or []
            return {a["targetRef"]["name"] for s in subsets for a in s.get("addresses", [])}

        await cluster.until(lambda: addresses() == ready_pods(cluster))
        cluster.store.delete(SERVICES, NAMESPACE, "web")
        await cluster.until(lambda: not cluster.store.list(ENDPOINTS, NAMESPACE))
        assert not endpoints(cluster)
