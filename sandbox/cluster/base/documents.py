"""Everything served that is not an object: version, health, discovery, OpenAPI."""

from __future__ import annotations

from aiohttp import web

from sandbox.cluster.base import discovery, openapi
from sandbox.cluster.base.errors import ApiError, no_such_resource
from sandbox.cluster.base.negotiation import negotiate
from sandbox.cluster.base.rbac import ANONYMOUS, User
from sandbox.cluster.base.rendering import document
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import Manifest

# How long the paths of discovery are; what is longer is a resource.
_ROOT_LENGTHS = {"api": 2, "apis": 3}
_HEALTH = {"healthz", "livez", "readyz"}
_AGGREGATED = ("APIGroupDiscoveryList",)


class Documents:
    """Finds the fixed document a path names."""

    def __init__(self, store: ObjectStore) -> None:
        self._catalog = store.catalog

    def find(self, request: web.Request, user: User) -> web.Response | None:
        """The document, or None when the path is that of a resource; ApiError 403, 404."""
        parts = [part for part in request.path.split("/") if part]
        if parts and parts[0] in _HEALTH:
            return web.Response(text="ok")
        if parts == ["version"]:
            return document(discovery.VERSION)
        if parts and len(parts) > _ROOT_LENGTHS.get(parts[0], len(parts)):
            return None
        if user == ANONYMOUS:
            path = request.path
            raise ApiError(
                403,
                "Forbidden",
                f'forbidden: User "{user.name}" cannot get path "{path}"',
                {},
            )
        return self._document(request, parts)

    def _document(self, request: web.Request, parts: list[str]) -> web.Response:
        accept = request.headers.get("Accept", "")
        match parts:
            case ["api"] | ["apis"]:
                return self._roots(accept, core=parts == ["api"])
            case ["openapi", "v2"]:
                return openapi.v2_response(self._catalog, accept)
            case ["openapi", "v3", *rest]:
                found = openapi.v3(self._catalog, "/".join(rest))
            case ["api", version]:
                found = discovery.resource_list(self._catalog, "", version)
            case ["apis", group]:
                found = discovery.api_group(self._catalog, group)
            case ["apis", group, version]:
                found = discovery.resource_list(self._catalog, group, version)
            case []:
                found = {"paths": ["/api", "/api/v1", "/apis", "/healthz", "/version"]}
            case _:
                found = None
        if found is None:
            raise no_such_resource()
        return document(found, accept=accept)

    def _roots(self, accept: str, *, core: bool) -> web.Response:
        media_type = negotiate(accept, _AGGREGATED)
        body: Manifest
        if media_type.transform:
            body = discovery.aggregated(self._catalog, core=core)
            body["apiVersion"] = f"apidiscovery.k8s.io/{media_type.parameters['v']}"
            response = document(body)
            response.headers["Content-Type"] = str(media_type)
            return response
        body = discovery.api_versions() if core else discovery.api_groups(self._catalog)
        return document(body, accept=accept)
