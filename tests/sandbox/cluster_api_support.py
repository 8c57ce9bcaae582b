"""What the API server's tests share: a server on loopback, and plain HTTP requests to it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import ClientSession

from sandbox.cluster.base.rbac import ADMIN_RULES, Rule, User
from sandbox.cluster.base.runtime import PodRuntimeRegistry
from sandbox.cluster.base.server import ClusterServer
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import Manifest

ADMIN, VIEWER, DEPLOYER = "admin-token", "viewer-token", "deployer-token"
USERS = {
    ADMIN: User(name="admin", rules=ADMIN_RULES),
    VIEWER: User(name="viewer", rules=(Rule(verbs=("get", "list", "watch")),)),
    DEPLOYER: User(
        name="deployer",
        rules=(
            Rule(
                verbs=("get", "patch"),
                groups=("apps",),
                resources=("deployments", "deployments/scale"),
                namespaces=("default",),
            ),
        ),
    ),
}
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
SERVICES = "/api/v1/namespaces/default/services"
PODS = "/api/v1/namespaces/default/pods"

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: dict[str, str]

    def ok(self) -> Any:
        """The body of a request that must have succeeded."""
        assert self.status < 300, self.body
        return self.body


@dataclass(frozen=True, kw_only=True)
class Api:
    """A client that says exactly what goes over the wire."""

    session: ClientSession
    server: ClusterServer
    store: ObjectStore
    registry: PodRuntimeRegistry

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = ADMIN,
        content_type: str = "application/json",
        accept: str = "application/json",
        agent: str = "test/1.0",
        **query: str | int,
    ) -> Answer:
        headers = {"Content-Type": content_type, "Accept": accept, "User-Agent": agent}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.session.request(
            method,
            self.server.url + path,
            data=body if isinstance(body, bytes | None) else json.dumps(body),
            headers=headers,
            params={key: str(value) for key, value in query.items()},
        ) as response:
            text = await response.text()
            is_json = "json" in response.headers.get("Content-Type", "")
            return Answer(
                status=response.status,
                body=json.loads(text) if is_json else text,
                headers=dict(response.headers),
            )

    async def create(self, path: str, obj: Manifest, **query: str) -> Manifest:
        """Creates the object, which must succeed."""
        created: Manifest = (await self("POST", path, obj, **query)).ok()
        return created

    async def patch(self, path: str, patch: Any, kind: str, **query: str) -> Answer:
        """Sends a patch of the given media type."""
        return await self("PATCH", path, patch, content_type=kind, **query)


@asynccontextmanager
async def running_api() -> AsyncIterator[Api]:
    """An API server with an empty cluster behind it."""
    store, registry = ObjectStore(clock=lambda: datetime.now(UTC)), PodRuntimeRegistry()
    server = ClusterServer(store, users=USERS, registry=registry)
    await server.start()
    try:
        async with ClientSession() as session:
            yield Api(session=session, server=server, store=store, registry=registry)
    finally:
        await server.stop()


def configmap(name: str, data: dict[str, str] | None = None, **labels: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": labels},
        "data": data or {},
    }


def deployment(name: str = "web", **spec: Any) -> Manifest:
    containers = [
        {"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}]},
        {"name": "sidecar", "image": "sidecar:1"},
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": containers},
            },
            **spec,
        },
    }


def pod(name: str, **labels: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "containers": [
                {"name": "app", "image": "app:1", "ports": [{"containerPort": 8080}]},
            ]
        },
    }
