"""A shop with a stable side and a canary, for each way to split the traffic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bot.engine.world import World
from bot.metrics.pods import PodMetrics
from sandbox.cluster.base.resources import DEPLOYMENTS, INGRESSES
from sandbox.cluster.base.types import GVR, Manifest
from sandbox.cluster.cluster import Cluster
from sandbox.shop import delivery, manifests
from tests.strategies.custom_resources import define
from tests.strategies.support import NAMESPACE, Shop, checkout

NGINX = "nginx.ingress.kubernetes.io/canary"
PAIR = {"strategy": "canary", "namespace": NAMESPACE, "stable": "checkout-blue",
        "canary": "checkout-green", "drain_timeout": "0.3s"}  # fmt: skip
SERVICES = {"stable_service": "checkout-stable", "canary_service": "checkout-canary"}
HOSTS = {"stable_host": "checkout-stable", "canary_host": "checkout-canary"}


def service(traffic: str, **target: Any) -> Any:
    metrics = PodMetrics(namespace=NAMESPACE, selector="app=checkout", port=8080)
    return checkout(None, rollback=[{**PAIR, "traffic": traffic, **target}], metrics=metrics)


@pytest.fixture
async def replicas(sandbox: Cluster, world: World) -> Shop:
    """checkout: two pods of v2.0.0 are stable, one of v2.1.0 is the canary."""
    sandbox.apply(manifests.checkout_deployment("blue", "v2.0.0", replicas=2))
    sandbox.apply(manifests.checkout_deployment("green", "v2.1.0", replicas=1))
    sandbox.apply(manifests.service("checkout", {"app": "checkout"}))
    await delivery.rolled_out(sandbox, "checkout-blue")
    await delivery.rolled_out(sandbox, "checkout-green")
    return Shop(cluster=sandbox, world=world, strategy="canary", service=service("replicas"))


@pytest.fixture
def nginx(replicas: Shop) -> Shop:
    """10 % by weight, and testers by header and cookie."""
    marks = {"": "true", "-weight": "10", "-by-header": "x-canary", "-by-cookie": "canary"}
    replicas.cluster.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                "name": "checkout-canary",
                "namespace": NAMESPACE,
                "annotations": {f"{NGINX}{key}": value for key, value in marks.items()},
            },
            "spec": {
                "ingressClassName": "nginx",
                "defaultBackend": {"service": {"name": "checkout-canary", "port": {"number": 80}}},
            },
        }
    )
    return replace(replicas, service=service("nginx", ingress="checkout-canary"))


ROUTES = GVR(group="gateway.networking.k8s.io", version="v1", resource="httproutes")
VIRTUAL = GVR(group="networking.istio.io", version="v1", resource="virtualservices")


@pytest.fixture
def route(replicas: Shop) -> Shop:
    """A rule with an unset weight, and one for testers that leads to the canary only."""
    define(replicas.cluster, ROUTES.group, "v1", "HTTPRoute", "httproutes", status=True)
    both = [
        {"name": "checkout-stable", "port": 80, "weight": 3},
        {"name": "checkout-canary", "port": 80},
    ]
    testers = [{"headers": [{"name": "x-canary", "value": "always"}]}]
    rules = [
        {"matches": testers, "backendRefs": [{"name": "checkout-canary", "port": 80}]},
        {"backendRefs": both},
    ]
    replicas.cluster.apply(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "checkout", "namespace": NAMESPACE},
            "spec": {"parentRefs": [{"name": "public"}], "rules": rules},
        }
    )
    return replace(replicas, service=service("gateway-api", route="checkout", **SERVICES))


@pytest.fixture
def istio(replicas: Shop) -> Shop:
    """The same split over http and tcp."""
    define(replicas.cluster, VIRTUAL.group, "v1", "VirtualService", "virtualservices")
    split = [
        {"destination": {"host": "checkout-stable"}, "weight": 80},
        {"destination": {"host": "checkout-canary.shop.svc.cluster.local"}, "weight": 20},
    ]
    replicas.cluster.apply(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "checkout", "namespace": NAMESPACE},
            "spec": {"hosts": ["checkout"], "http": [{"route": split}], "tcp": [{"route": split}]},
        }
    )
    return replace(replicas, service=service("istio", virtual_service="checkout", **HOSTS))


@pytest.fixture
async def gateway(route: Shop) -> AsyncIterator[Shop]:
    """With a gateway that accepts every route."""
    accepting = asyncio.create_task(accept_routes(route))
    yield route
    accepting.cancel()
    await asyncio.gather(accepting, return_exceptions=True)


@pytest.fixture(params=["replicas", "nginx", "gateway", "istio"])
def canary(request: pytest.FixtureRequest) -> Shop:
    """Each way to split the traffic in turn."""
    found: Shop = request.getfixturevalue(request.param)
    return found


async def accept_routes(shop: Shop, *, accepted: str = "True") -> None:
    """A gateway's controller: it says which generation of the route it has taken."""
    subscription = shop.cluster.store.subscribe(after=0)
    while True:
        route = shop.get(ROUTES, "checkout")
        found = {
            "type": "Accepted",
            "status": accepted,
            "reason": "Accepted" if accepted == "True" else "NoMatchingParent",
            "message": "",
            "observedGeneration": route["metadata"]["generation"],
        }
        status = {"parents": [{"parentRef": {"name": "public"}, "conditions": [found]}]}

        def write(obj: Manifest, status: Manifest = status) -> None:
            obj["status"] = status

        if route.get("status") != status:
            shop.cluster.store.mutate(ROUTES, NAMESPACE, "checkout", write, subresource="status")
        await anext(subscription)


def state(shop: Shop) -> list[Any]:
    """What the strategy changes."""
    found: list[Any] = [shop.get(DEPLOYMENTS, "checkout-green")["spec"]["replicas"]]
    kinds_of = {"nginx": INGRESSES, "gateway-api": ROUTES, "istio": VIRTUAL}
    target: Any = shop.service.rollback[0]
    if target.traffic in kinds_of:
        name = "checkout-canary" if target.traffic == "nginx" else "checkout"
        route = shop.get(kinds_of[target.traffic], name)
        found += [route["spec"], route["metadata"].get("annotations")]
    return found


def sabotage(shop: Shop) -> None:
    """Somebody else gives the canary more traffic, or more pods where these are its traffic."""

    def more_pods(deployment: Manifest) -> None:
        # Not more than the stable side has: that would be a matter of capacity.
        deployment["spec"]["replicas"] = 2

    def more_weight(ingress: Manifest) -> None:
        ingress["metadata"]["annotations"][f"{NGINX}-weight"] = "50"

    def more_backends(route: Manifest) -> None:
        route["spec"]["rules"][1]["backendRefs"][1]["weight"] = 3

    def more_routes(virtual: Manifest) -> None:
        for route, weight in zip(virtual["spec"]["http"][0]["route"], (50, 50), strict=True):
            route["weight"] = weight

    target: Any = shop.service.rollback[0]
    {
        "replicas": lambda: shop.edit(DEPLOYMENTS, "checkout-green", more_pods),
        "nginx": lambda: shop.edit(INGRESSES, "checkout-canary", more_weight),
        "gateway-api": lambda: shop.edit(ROUTES, "checkout", more_backends),
        "istio": lambda: shop.edit(VIRTUAL, "checkout", more_routes),
    }[target.traffic]()
