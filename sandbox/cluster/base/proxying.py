"""Requests forwarded to pods and services: `…/proxy`."""

from __future__ import annotations

from contextlib import suppress

from aiohttp import ClientConnectionResetError, ClientConnectorError, ClientSession, web
from multidict import CIMultiDict, CIMultiDictProxy

from sandbox.cluster.base.calls import Call
from sandbox.cluster.base.errors import ApiError, bad_request
from sandbox.cluster.base.resources import ENDPOINT_SLICES, PODS, SERVICES
from sandbox.cluster.base.runtime import PodRuntimeRegistry
from sandbox.cluster.base.selectors import matches_labels
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import Manifest

_HOP_HEADERS = {"host", "authorization", "connection", "transfer-encoding", "content-length"}


async def forward(
    session: ClientSession, request: web.Request, call: Call, target: tuple[str, int]
) -> web.StreamResponse:
    """Sends the request on and streams the answer back; 503 when nothing answers."""
    host, port = target
    # /api/v1/namespaces/NAMESPACE/pods/NAME/proxy/PATH
    path = "".join(f"/{part}" for part in request.rel_url.raw_path.split("/")[8:])
    query = request.rel_url.raw_query_string
    try:
        async with session.request(
            request.method,
            f"http://{host}:{port}{path or '/'}{'?' if query else ''}{query}",
            headers=_passed_on(request.headers),
            data=call.body or None,
            allow_redirects=False,
        ) as upstream:
            response = web.StreamResponse(status=upstream.status, reason=upstream.reason)
            response.headers.extend(_passed_on(upstream.headers))
            # Whoever asked may be gone by now; there is nobody left to tell.
            with suppress(ClientConnectionResetError):
                await response.prepare(request)
                async for chunk in upstream.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            return response
    except ClientConnectorError as error:
        raise _unreachable(f"error trying to reach service: {error}") from error


def _passed_on(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in _HOP_HEADERS
    )


def proxy_target(store: ObjectStore, registry: PodRuntimeRegistry, call: Call) -> tuple[str, int]:
    """Loopback host and port behind `pods/NAME:PORT/proxy` or `services/NAME:PORT/proxy`."""
    _, name, port = _split_name(call.info.name)
    if call.resource.gvr == PODS:
        pod = store.get(PODS, call.info.namespace, name)
        ports = [
            each["containerPort"]
            for container in pod["spec"].get("containers", [])
            for each in container.get("ports", [])
        ]
        wanted = int(port) if port.isdigit() else (ports[0] if ports else 80)
        found = registry.address(pod["metadata"]["uid"], wanted)
        if found is None:
            address = pod.get("status", {}).get("podIP", "")
            raise _unreachable(f"dial tcp {address}:{wanted}: connect: connection refused")
        return found
    return _service_target(store, registry, call.info.namespace, name, port)


def _service_target(
    store: ObjectStore, registry: PodRuntimeRegistry, namespace: str, name: str, port: str
) -> tuple[str, int]:
    service = store.get(SERVICES, namespace, name)
    ports = service["spec"].get("ports", [])
    chosen = [each for each in ports if port in {each.get("name", ""), str(each["port"])}]
    if not port and len(ports) == 1:
        chosen = ports
    if not chosen:
        raise _unreachable(f'no service port "{port}" found for service "{name}"')
    port_name = chosen[0].get("name", "")
    for each in store.list(ENDPOINT_SLICES, namespace):
        labels = each["metadata"].get("labels", {})
        if not matches_labels(f"kubernetes.io/service-name={name}", labels):
            continue
        found = _slice_target(each, port_name, registry)
        if found is not None:
            return found
    raise _unreachable(f'no endpoints available for service "{name}"')


def _slice_target(
    endpoint_slice: Manifest, port_name: str, registry: PodRuntimeRegistry
) -> tuple[str, int] | None:
    ports = [p["port"] for p in endpoint_slice.get("ports", []) if p.get("name", "") == port_name]
    for endpoint in endpoint_slice.get("endpoints", []):
        uid = endpoint.get("targetRef", {}).get("uid", "")
        if endpoint.get("conditions", {}).get("ready") and ports:
            found = registry.address(uid, ports[0])
            if found is not None:
                return found
    return None


def _split_name(name: str) -> tuple[str, str, str]:
    """Scheme, name and port of `name`, `name:port` or `scheme:name:port`."""
    parts = name.split(":")
    match parts:
        case [only]:
            return "http", only, ""
        case [bare, port]:
            return "http", bare, port
        case [scheme, bare, port]:
            return scheme or "http", bare, port
    raise bad_request(f'invalid proxy request "{name}"')


def _unreachable(message: str) -> ApiError:
    return ApiError(503, "ServiceUnavailable", message)


def proxied_name(name: str) -> str:
    """The object's own name in a proxy request, for authorization."""
    return _split_name(name)[1]
