"""The ``Cluster`` port on a real API server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Literal, NoReturn

from bot.clouds.kubernetes.api import (
    Api,
    Query,
    call_of,
    group_of,
    parsed,
    path_of,
    retried,
    selection,
    typed_items,
)
from bot.clouds.kubernetes.objects import SECRETS, Change, Kind, Manifest, PodAnswer
from bot.clouds.kubernetes.ownership import FIELD_MANAGER
from bot.clouds.kubernetes.refusals import Call, ExpiredError, refusal, status_of
from bot.core.backoff import Backoff
from bot.core.errors import ConfigurationError, ForbiddenError, TemporaryError
from bot.core.values import Value

# A watch that outlives connections and expired resource versions.

_SERVER_SECONDS = 290
"""After so long the API server ends a watch by itself; it is then opened again."""
_SILENCE_SECONDS = 90.0
"""API servers send a bookmark about every minute: a longer silence is a dead connection."""
_BACKOFF = Backoff(first=0.1, longest=5.0)


class Listing(Value):
    """All objects at one resource version."""

    version: str
    items: tuple[Manifest, ...]


class Watch:
    """The present objects of a selection and every change after, until the caller stops."""

    def __init__(
        self,
        api: Api,
        call: Call,
        path: str,
        query: Query,
        listing: Callable[[], Awaitable[Listing]],
    ) -> None:
        self._api = api
        self._call = call
        self._path = path
        self._query = query
        self._list = listing
        self._known: dict[str, Manifest] = {}
        self._version = ""
        self._failures = 0

    async def changes(self) -> AsyncGenerator[Change, None]:
        """See ``Cluster.watch``. An object that vanished in a gap is given as DELETED."""
        while True:
            for change in await self._present():
                yield change
            try:
                async with aclosing(self._follow()) as following:
                    async for change in following:
                        yield change
            except ExpiredError:
                continue

    async def _present(self) -> list[Change]:
        listing = await self._list()
        self._version = listing.version
        now = {_identity(item): item for item in listing.items}
        gone = [
            Change(type="DELETED", manifest=manifest)
            for identity, manifest in self._known.items()
            if identity not in now
        ]
        self._known = now
        return [*gone, *(Change(type="ADDED", manifest=item) for item in listing.items)]

    async def _follow(self) -> AsyncGenerator[Change, None]:
        """Changes over as many connections as it takes, until the version has expired."""
        while True:
            try:
                async with self._api.stream(
                    self._call,
                    self._path,
                    query=[
                        *self._query,
                        ("watch", "true"),
                        ("allowWatchBookmarks", "true"),
                        ("resourceVersion", self._version),
                        ("timeoutSeconds", str(_SERVER_SECONDS)),
                    ],
                    silence_seconds=_SILENCE_SECONDS,
                ) as lines:
                    async for change in self._read(lines):
                        yield change
            except TemporaryError as error:
                self._failures += 1
                await asyncio.sleep(_BACKOFF.pause(self._failures, error.retry_after))

    async def _read(self, lines: AsyncIterator[bytes]) -> AsyncGenerator[Change, None]:
        async for line in lines:
            try:
                event: dict[str, Any] = json.loads(line)
            except ValueError as error:
                raise TemporaryError(f"A watch sent half a line ({self._call}).") from error
            manifest: Manifest = event["object"]
            if event["type"] == "ERROR":
                self._refuse(manifest)
            self._failures = 0
            self._version = manifest["metadata"]["resourceVersion"]
            if event["type"] == "BOOKMARK":
                continue
            if event["type"] == "DELETED":
                self._known.pop(_identity(manifest), None)
            else:
                self._known[_identity(manifest)] = manifest
            yield Change(type=event["type"], manifest=manifest)

    def _refuse(self, status: Manifest) -> None:
        code = int(status.get("code") or 500)
        raise refusal(self._call, code, {}, json.dumps(status))


def _identity(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return str(metadata.get("uid") or f"{metadata.get('namespace')}/{metadata['name']}")


# Whether the bot has a right: the API server's own answer.

_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_CALL = Call(verb="create", resource="selfsubjectaccessreviews.authorization.k8s.io", namespace="")


async def ask_for_right(api: Api, verb: str, kind: Kind, namespace: str, *, name: str) -> bool:
    """Whether the bot may do this (SelfSubjectAccessReview); an empty name is any object.

    Raises ForbiddenError where it may not even ask.
    """
    resource, _, subresource = kind.plural.partition("/")
    attributes = {
        "verb": verb,
        "group": group_of(kind),
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
    try:
        text = await retried(lambda: api.succeed(_CALL, "POST", _PATH, body=review))
    except ForbiddenError as error:
        raise ForbiddenError(
            "The bot may not ask which rights it has "
            "(create selfsubjectaccessreviews.authorization.k8s.io).",
            "Bind the ClusterRole system:basic-user to its account; clusters have that by default.",
        ) from error
    return bool(parsed(_CALL, text).get("status", {}).get("allowed"))


_PAGE = "500"
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"


class _Write(Value):
    """What is written to: an object, or a part of it that has an address of its own."""

    kind: Kind
    namespace: str
    name: str
    subresource: str = ""

    @property
    def call(self) -> Call:
        """The call in the words of a right."""
        suffix = f"/{self.subresource}" if self.subresource else ""
        part = Kind(api_version=self.kind.api_version, plural=f"{self.kind.plural}{suffix}")
        return call_of("patch", part, self.namespace, self.name)

    @property
    def path(self) -> str:
        """Its address."""
        suffix = f"/{self.subresource}" if self.subresource else ""
        return path_of(self.kind, self.namespace, self.name) + suffix


class KubernetesCluster:
    """The cluster over its API. Reads are repeated while they fail temporarily."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def close(self) -> None:
        """End all connections."""
        await self._api.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """One object; of a Secret the metadata only, so that its content stays where it is."""
        call = call_of("get", kind, namespace, name)
        headers = {"Accept": _METADATA_ONLY} if kind == SECRETS else None
        path = path_of(kind, namespace, name)
        text = await retried(lambda: self._api.succeed(call, "GET", path, headers=headers))
        manifest = parsed(call, text)
        if kind == SECRETS:
            manifest.pop("data", None)
            manifest.pop("stringData", None)
        return manifest

    async def list(
        self, kind: Kind, namespace: str, *, labels: str = "", fields: str = ""
    ) -> tuple[Manifest, ...]:
        """All objects that match the selectors."""
        return (await self._listing(kind, namespace, selection(labels, fields))).items

    async def _listing(self, kind: Kind, namespace: str, query: Query) -> Listing:
        items: list[Manifest] = []
        token = ""
        while True:
            page = await self._page(kind, namespace, query, token)
            if page is None:
                # The snapshot that the pages were cut from has expired: begin again.
                items, token = [], ""
                continue
            items += typed_items(page)
            token = page["metadata"].get("continue") or ""
            if not token:
                return Listing(version=page["metadata"]["resourceVersion"], items=tuple(items))

    async def _page(
        self, kind: Kind, namespace: str, query: Query, token: str
    ) -> dict[str, Any] | None:
        call = call_of("list", kind, namespace)
        continued = [("continue", token)] if token else []

        async def ask() -> dict[str, Any] | None:
            answer = await self._api.ask(
                call,
                "GET",
                path_of(kind, namespace),
                query=[*query, ("limit", _PAGE), *continued],
            )
            if answer.status == 410 and token:
                return None
            if answer.status >= 400:
                raise refusal(call, answer.status, answer.headers, answer.text)
            return parsed(call, answer.text)

        return await retried(ask)

    def watch(
        self, kind: Kind, namespace: str, *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Change]:
        """The objects that match now as ADDED, then every change, until the caller stops."""
        query = selection(labels, fields)
        return Watch(
            self._api,
            call_of("watch", kind, namespace),
            path_of(kind, namespace),
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
        subresource: Literal["", "status"] = "",
        dry_run: bool = False,
    ) -> Manifest:
        """Apply a JSON Patch; repeated only when the API server refused to begin (429)."""
        sent = _Write(kind=kind, namespace=namespace, name=name, subresource=subresource)
        media_type = "application/json-patch+json"
        return await self._write(sent, media_type, list(operations), dry_run=dry_run)

    async def apply(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        manifest: Manifest,
        *,
        dry_run: bool = False,
        force: bool = False,
    ) -> Manifest:
        """Server-side apply; repeated only when the API server refused to begin (429)."""
        sent = _Write(kind=kind, namespace=namespace, name=name)
        media_type = "application/apply-patch+yaml"  # JSON is YAML
        query = [("force", str(force).lower())]
        return await self._write(sent, media_type, manifest, query=query, dry_run=dry_run)

    async def _write(
        self, write: _Write, media_type: str, body: Any, *, query: Query = (), dry_run: bool
    ) -> Manifest:
        call = write.call.model_copy(update={"writes": not dry_run})
        dry = [("dryRun", "All")] if dry_run else []
        text = await retried(
            lambda: self._api.succeed(
                call,
                "PATCH",
                write.path,
                query=[("fieldManager", FIELD_MANAGER), *query, *dry],
                headers={"Content-Type": media_type},
                body=body,
            )
        )
        return parsed(call, text)

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str, dry_run: bool = False
    ) -> None:
        """Delete exactly this object, which the uid tells from a successor of its name."""
        call = call_of("delete", kind, namespace, name).model_copy(update={"writes": not dry_run})
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        if dry_run:
            # The API server reads no options from the query once there are some in the body.
            options["dryRun"] = ["All"]
        path = path_of(kind, namespace, name)
        await retried(lambda: self._api.succeed(call, "DELETE", path, body=options))

    async def may(self, verb: str, kind: Kind, namespace: str, *, name: str = "") -> bool:
        """Whether the bot has a right (SelfSubjectAccessReview)."""
        return await ask_for_right(self._api, verb, kind, namespace, name=name)

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
        path = f"{path_of(Kind(api_version='v1', plural='pods'), namespace, pod)}/log"
        return await retried(
            lambda: self._api.succeed(
                call, "GET", path, query=query, headers={"Accept": "text/plain, */*"}
            )
        )

    async def ask_pod(self, namespace: str, pod: str, port: int, path: str) -> PodAnswer:
        """GET a path of a pod; a ``Status`` body is the API server speaking for itself."""
        call = Call(verb="get", resource="pods/proxy", namespace=namespace, name=pod)
        base = path_of(Kind(api_version="v1", plural="pods"), namespace, f"{pod}:{port}")
        answer = await self._api.ask(
            call, "GET", f"{base}/proxy/{path.lstrip('/')}", headers={"Accept": "*/*"}
        )
        unreachable = answer.text.startswith("error trying to reach service")
        if answer.status >= 400 and (unreachable or status_of(answer.text)):
            raise refusal(call, answer.status, answer.headers, answer.text)
        return PodAnswer(status=answer.status, text=answer.text)


# The cluster that is not there: for a catalog that is all on AWS and flag services.


class NoCluster:
    """No cluster at all: asked for anything, it raises ConfigurationError.

    Only a plan of an older catalog can ask.
    """

    async def close(self) -> None:
        """There is nothing to end."""

    async def _refused(self, *_: Any, **__: Any) -> NoReturn:
        raise _not_connected()

    def watch(self, *_: Any, **__: Any) -> NoReturn:
        """There is nothing to be seen."""
        raise _not_connected()

    get = list = patch = apply = delete = may = logs = ask_pod = _refused


def _not_connected() -> ConfigurationError:
    return ConfigurationError(
        "The bot is connected to no Kubernetes cluster, because no service of the catalog is in "
        "one.",
        "Put the service back into rollback.yml as it was, and start the bot anew.",
    )
