"""The ``Cluster`` port on a real API server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote

from bot.adapters.kubernetes.api import Api, Query
from bot.adapters.kubernetes.refusals import Call, refusal, status_of
from bot.adapters.kubernetes.retries import retried
from bot.adapters.kubernetes.watch import Listing, Watch
from bot.domain.ownership import FIELD_MANAGER
from bot.errors import PermanentError
from bot.ports.cluster import SECRETS, Change, Kind, Manifest, PodAnswer

_PAGE = "500"
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class KubernetesCluster:
    """See ``bot.ports.cluster.Cluster``. Reads are repeated while they fail temporarily."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def close(self) -> None:
        """End all connections."""
        await self._api.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """One object; of a Secret the metadata only, so that its content stays where it is."""
        call = _call("get", kind, namespace, name)
        headers = {"Accept": _METADATA_ONLY} if kind == SECRETS else None
        path = _path(kind, namespace, name)
        text = await retried(lambda: self._api.succeed(call, "GET", path, headers=headers))
        manifest = _parse(call, text)
        if kind == SECRETS:
            manifest.pop("data", None)
            manifest.pop("stringData", None)
        return manifest

    async def list(
        self, kind: Kind, namespace: str, *, labels: str = "", fields: str = ""
    ) -> tuple[Manifest, ...]:
        """All objects that match the selectors."""
        return (await self._listing(kind, namespace, _selection(labels, fields))).items

    async def _listing(self, kind: Kind, namespace: str, query: Query) -> Listing:
        items: list[Manifest] = []
        token = ""
        while True:
            page = await self._page(kind, namespace, query, token)
            if page is None:
                # The snapshot that the pages were cut from has expired: begin again.
                items, token = [], ""
                continue
            items += _typed(page)
            token = page["metadata"].get("continue") or ""
            if not token:
                return Listing(version=page["metadata"]["resourceVersion"], items=tuple(items))

    async def _page(
        self, kind: Kind, namespace: str, query: Query, token: str
    ) -> dict[str, Any] | None:
        call = _call("list", kind, namespace)
        continued = [("continue", token)] if token else []

        async def ask() -> dict[str, Any] | None:
            answer = await self._api.ask(
                call,
                "GET",
                _path(kind, namespace),
                query=[*query, ("limit", _PAGE), *continued],
            )
            if answer.status == 410 and token:
                return None
            if answer.status >= 400:
                raise refusal(call, answer.status, answer.headers, answer.text)
            return _parse(call, answer.text)

        return await retried(ask)

    def watch(
        self, kind: Kind, namespace: str, *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Change]:
        """The objects that match now as ADDED, then every change, until the caller stops."""
        query = _selection(labels, fields)
        return Watch(
            self._api,
            _call("watch", kind, namespace),
            _path(kind, namespace),
            query,
            lambda: self._listing(kind, namespace, query),
        ).changes()

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        operations: Sequence[Manifest],
        *,
        dry_run: bool = False,
    ) -> Manifest:
        """Apply a JSON Patch; repeated only when the API server refused to begin (429)."""
        call = _call("patch", kind, namespace, name).model_copy(update={"writes": not dry_run})
        query = [("fieldManager", FIELD_MANAGER)] + ([("dryRun", "All")] if dry_run else [])
        text = await retried(
            lambda: self._api.succeed(
                call,
                "PATCH",
                _path(kind, namespace, name),
                query=query,
                headers={"Content-Type": "application/json-patch+json"},
                body=list(operations),
            )
        )
        return _parse(call, text)

    async def may(self, verb: str, kind: Kind, namespace: str, *, name: str = "") -> bool:
        """Whether the bot has a right (SelfSubjectAccessReview)."""
        resource, _, subresource = kind.plural.partition("/")
        attributes = {
            "verb": verb,
            "group": _group(kind),
            "resource": resource,
            "subresource": subresource,
            "namespace": namespace,
            "name": name,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {k: v for k, v in attributes.items() if v}},
        }
        call = Call(
            verb="create", resource="selfsubjectaccessreviews.authorization.k8s.io", namespace=""
        )
        text = await retried(lambda: self._api.succeed(call, "POST", _REVIEWS, body=review))
        return bool(_parse(call, text).get("status", {}).get("allowed"))

    async def logs(
        self, namespace: str, pod: str, *, container: str, previous: bool = False, lines: int = 500
    ) -> str:
        """The last lines that a container wrote."""
        call = Call(verb="get", resource="pods/log", namespace=namespace, name=pod)
        query = [
            ("container", container),
            ("previous", str(previous).lower()),
            ("tailLines", str(lines)),
        ]
        path = f"{_path(Kind(api_version='v1', plural='pods'), namespace, pod)}/log"
        return await retried(
            lambda: self._api.succeed(
                call, "GET", path, query=query, headers={"Accept": "text/plain, */*"}
            )
        )

    async def ask_pod(self, namespace: str, pod: str, port: int, path: str) -> PodAnswer:
        """GET a path of a pod; a ``Status`` body is the API server speaking for itself."""
        call = Call(verb="get", resource="pods/proxy", namespace=namespace, name=pod)
        base = _path(Kind(api_version="v1", plural="pods"), namespace, f"{pod}:{port}")
        answer = await self._api.ask(
            call, "GET", f"{base}/proxy/{path.lstrip('/')}", headers={"Accept": "*/*"}
        )
        unreachable = answer.text.startswith("error trying to reach service")
        if answer.status >= 400 and (unreachable or status_of(answer.text)):
            raise refusal(call, answer.status, answer.headers, answer.text)
        return PodAnswer(status=answer.status, text=answer.text)


def _group(kind: Kind) -> str:
    group, slash, _ = kind.api_version.partition("/")
    return group if slash else ""


def _call(verb: str, kind: Kind, namespace: str, name: str = "") -> Call:
    group = _group(kind)
    resource = f"{kind.plural}.{group}" if group else kind.plural
    return Call(verb=verb, resource=resource, namespace=namespace, name=name)


def _path(kind: Kind, namespace: str, name: str = "") -> str:
    root = "/apis" if "/" in kind.api_version else "/api"
    path = f"{root}/{kind.api_version}/namespaces/{quote(namespace, safe='')}/{kind.plural}"
    return f"{path}/{quote(name, safe=':')}" if name else path


def _selection(labels: str, fields: str) -> Query:
    stated = (("labelSelector", labels), ("fieldSelector", fields))
    return [(name, value) for name, value in stated if value]


def _parse(call: Call, text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise PermanentError(
            f"The answer to “{call}” is not JSON.",
            "Check that the kubeconfig names a Kubernetes API server.",
        ) from error
    if not isinstance(parsed, dict):
        raise PermanentError(f"The answer to “{call}” is not a Kubernetes object.")
    return parsed


def _typed(body: Manifest) -> list[Manifest]:
    """The items with their kind, which the API server states once for the whole list."""
    kind = str(body.get("kind", "")).removesuffix("List")
    return [
        {"apiVersion": body.get("apiVersion"), "kind": kind, **item}
        for item in body.get("items") or []
    ]
