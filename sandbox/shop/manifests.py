"""The shop's objects as its repository would hold them."""

from sandbox.cluster.base.types import Manifest
from sandbox.shop.releases import reference
from sandbox.shop.server import PORT

NAMESPACE = "shop"
CHANGE_CAUSE = "kubernetes.io/change-cause"
VERSION_LABEL = "app.kubernetes.io/version"


def _container(name: str, image: str) -> Manifest:
    return {
        "name": name,
        "image": image,
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {
            "httpGet": {"path": "/health", "port": "http"},
            "periodSeconds": 1,
            "failureThreshold": 2,
        },
        # Endpoints are withdrawn at the same time as the pod is told to stop: it waits for that.
        "lifecycle": {"preStop": {"sleep": {"seconds": 1}}},
    }


def _deployment(
    name: str, *, selector: dict[str, str], version: str, container: Manifest, replicas: int
) -> Manifest:
    version_label = {VERSION_LABEL: version}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app": selector["app"], **version_label},
            "annotations": {CHANGE_CAUSE: f"Deploy {selector['app']} {version}"},
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {"labels": {**selector, **version_label}},
                "spec": {"terminationGracePeriodSeconds": 10, "containers": [container]},
            },
        },
    }


def checkout_deployment(colour: str, version: str, *, replicas: int = 3) -> Manifest:
    """One colour of the blue-green service, `checkout-blue` or `checkout-green`."""
    return _deployment(
        f"checkout-{colour}",
        selector={"app": "checkout", "version": colour},
        version=version,
        container=_container("checkout", reference("checkout", version)),
        replicas=replicas,
    )


def service(name: str, selector: dict[str, str]) -> Manifest:
    """A Service whose port 80 leads to the pods' `http` port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {
            "selector": selector,
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }


def checkout_service(colour: str) -> Manifest:
    return service("checkout", {"app": "checkout", "version": colour})


def payments_configuration() -> list[Manifest]:
    """What every payments pod needs to start."""
    metadata = {"namespace": NAMESPACE, "labels": {"app": "payments"}}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "payments-config", **metadata},
            "data": {"CURRENCY": "EUR", "LOG_LEVEL": "info"},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "payments-credentials", **metadata},
            "type": "Opaque",
            "data": {"GATEWAY_TOKEN": "c2FuZGJveC1vbmx5"},
        },
    ]


def payments_deployment(version: str, *, replicas: int = 4) -> Manifest:
    """The rolling service, configured by a ConfigMap and a Secret."""
    container = _container("payments", reference("payments", version))
    container["envFrom"] = [{"configMapRef": {"name": "payments-config"}}]
    container["env"] = [
        {
            "name": "GATEWAY_TOKEN",
            "valueFrom": {"secretKeyRef": {"name": "payments-credentials", "key": "GATEWAY_TOKEN"}},
        }
    ]
    return _deployment(
        "payments",
        selector={"app": "payments"},
        version=version,
        container=container,
        replicas=replicas,
    )


def payments_service() -> Manifest:
    return service("payments", {"app": "payments"})


def ledger_deployment(version: str) -> Manifest:
    """What payments writes to: one replica, and nothing to configure."""
    return _deployment(
        "ledger",
        selector={"app": "ledger"},
        version=version,
        container=_container("ledger", reference("ledger", version)),
        replicas=1,
    )
