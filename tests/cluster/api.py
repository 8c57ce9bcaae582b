"""The API of any cluster as its administrator uses it, and the bot's client with a record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import quote

from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import load_kube_config

from bot.clouds.kubernetes.api import Api, Query
from bot.clouds.kubernetes.cluster import KubernetesCluster
from bot.clouds.kubernetes.objects import Kind, Manifest
from bot.clouds.kubernetes.refusals import Call

NAMESPACES = Kind(api_version="v1", plural="namespaces")
NODES = Kind(api_version="v1", plural="nodes")
SOMEBODY = "kubectl-edit"
"""Under this name the tests change what the bot has decided upon."""


async def open_api(kubeconfig: str) -> Api:
    """A connection as the user of the kubeconfig; close it when done."""
    configuration = Configuration()
    await load_kube_config(  # type: ignore[no-untyped-call]  # partly typed library
        config_file=kubeconfig, client_configuration=configuration
    )
    return Api(ApiClient(configuration))


class RecordedCluster(KubernetesCluster):
    """The bot's client; ``changes`` lists every request that could change something."""

    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self.changes: list[str] = []

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        operations: Sequence[Manifest],
        *,
        subresource: Literal["", "status"] = "",
        dry_run: bool = False,
    ) -> Manifest:
        """Recorded unless it is a dry run."""
        if not dry_run:
            self.changes.append(f"patch {kind.plural}/{name}")
        return await super().patch(
            kind, namespace, name, operations, subresource=subresource, dry_run=dry_run
        )

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str, dry_run: bool = False
    ) -> None:
        """Recorded unless it is a dry run."""
        if not dry_run:
            self.changes.append(f"delete {kind.plural}/{name}")
        await super().delete(kind, namespace, name, uid=uid, dry_run=dry_run)


class Administrator:
    """Plain requests; ``namespace`` is empty for kinds without one."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def ask(
        self,
        method: str,
        kind: Kind,
        namespace: str = "",
        name: str = "",
        *,
        query: Query = (),
        body: Any = None,
        media_type: str = "application/json",
    ) -> int:
        """The status of the answer; any is one, so that races with controllers end nothing."""
        call = Call(verb=method.lower(), resource=kind.plural, namespace=namespace, name=name)
        answer = await self._api.ask(
            call,
            method,
            _path(kind, namespace, name),
            query=query,
            headers={"Content-Type": media_type},
            body=body,
        )
        return answer.status

    async def apply(self, kind: Kind, namespace: str, manifest: Manifest) -> None:
        """Server-side apply, as a delivery pipeline does."""
        status = await self.ask(
            "PATCH",
            kind,
            namespace,
            str(manifest["metadata"]["name"]),
            query=[("fieldManager", "ci"), ("force", "true")],
            body=manifest,
            media_type="application/apply-patch+yaml",
        )
        assert status in {200, 201}, f"apply of {manifest['metadata']['name']}: HTTP {status}"

    async def edit(self, kind: Kind, namespace: str, name: str, patch: Any) -> None:
        """A change by somebody else, as JSON Patch."""
        status = await self.ask(
            "PATCH",
            kind,
            namespace,
            name,
            query=[("fieldManager", SOMEBODY)],
            body=patch,
            media_type="application/json-patch+json",
        )
        assert status == 200, f"edit of {name}: HTTP {status}"


def _path(kind: Kind, namespace: str, name: str) -> str:
    root = "/apis" if "/" in kind.api_version else "/api"
    where = f"/namespaces/{quote(namespace)}" if namespace else ""
    path = f"{root}/{kind.api_version}{where}/{kind.plural}"
    return f"{path}/{name}" if name else path
