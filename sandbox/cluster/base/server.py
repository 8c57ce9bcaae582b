"""The API server on loopback: authentication, faults, authorization, then the call itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

from aiohttp import ClientSession, web

from sandbox.cluster.base import pod_actions, reviews
from sandbox.cluster.base.calls import Call, media_type
from sandbox.cluster.base.documents import Documents
from sandbox.cluster.base.entrances import Entrances
from sandbox.cluster.base.errors import ApiError, no_such_resource
from sandbox.cluster.base.faults import Fault, Faults
from sandbox.cluster.base.podlogs import PodLog
from sandbox.cluster.base.proxying import forward, proxied_name, proxy_target
from sandbox.cluster.base.rbac import Attributes, User, forbidden
from sandbox.cluster.base.rendering import error_response, log_stream, rendered, watch_stream
from sandbox.cluster.base.requests import (
    RecordedRequest,
    RequestInfo,
    asks_for_dry_run,
    parse_request,
)
from sandbox.cluster.base.resources import NAMESPACES
from sandbox.cluster.base.rest import RestApi
from sandbox.cluster.base.runtime import PodRuntimeRegistry
from sandbox.cluster.base.store import ObjectStore

MAX_BODY_BYTES = 3 * 1024 * 1024


class ClusterServer:
    """Serves an ObjectStore. `users` maps bearer tokens to who presents them."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        users: Mapping[str, User],
        registry: PodRuntimeRegistry | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.faults = Faults()
        self.requests: list[RecordedRequest] = []
        self.refusals: list[str] = []
        """What was refused. Not finding something is an answer, and no refusal."""
        self._store = store
        self._entrances = Entrances(users)
        self._registry = registry or PodRuntimeRegistry()
        self._now = clock or store.now
        self._rest = RestApi(store)
        self._documents = Documents(store)
        self._runner: web.AppRunner | None = None
        self._session: ClientSession | None = None

    # --- running it ------------------------------------------------------------------------

    async def start(self) -> None:
        """Binds free ports of 127.0.0.1 and begins to serve."""
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._session = ClientSession(auto_decompress=False)
        self._runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=1.0
        )
        await self._runner.setup()
        await self._entrances.open(self._runner)

    async def stop(self) -> None:
        """Ends every open watch and stops to serve; `start` may follow."""
        self.faults.drop_watches()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def url(self) -> str:
        """Where a bearer token says who asks; RuntimeError before the first start."""
        return self._entrances.address()

    def write_kubeconfig(
        self, path: Path, *, user: str | None = None, namespace: str = "default"
    ) -> Path:
        """Writes a kubeconfig for the user of that name (the first one without); KeyError."""
        return self._entrances.write_kubeconfig(path, user=user, namespace=namespace)

    # --- one request -----------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                self.refusals.append(f"{request.method} {request.path}: {error.status} {error}")
            return error_response(error)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        user = self._entrances.authenticate(request)
        fixed = self._documents.find(request, user)
        if fixed is not None:
            return fixed
        info = parse_request(request.method, request.path, request.query)
        body = await request.read()
        self._record(user, info, request, body)
        fault = self.faults.take(info)
        if fault is not None and not fault.after_effect:
            await self._go_wrong(fault, request)
        response = await self._authorized(request, user, info, body)
        if fault is not None and fault.after_effect:
            await self._go_wrong(fault, request)
        return response

    async def _go_wrong(self, fault: Fault, request: web.Request) -> None:
        if fault.delay_seconds:
            await asyncio.sleep(fault.delay_seconds)
        if fault.hang:
            await asyncio.get_running_loop().create_future()
        if fault.disconnect and isinstance(request.transport, asyncio.Transport):
            request.transport.abort()
        if fault.error is not None:
            raise fault.error

    async def _authorized(
        self, request: web.Request, user: User, info: RequestInfo, body: bytes
    ) -> web.StreamResponse:
        wanted = _attributes(info)
        if reviews.is_review(info):
            return reviews.answer(user, info, body, media_type(request.headers))
        if not user.may(wanted):
            raise forbidden(user, wanted)
        call = Call(
            user=user,
            info=info,
            resource=self._store.catalog.find(info.gvr),
            query=request.query,
            headers=request.headers,
            body=body,
        )
        return await self._dispatch(request, call)

    def _record(self, user: User, info: RequestInfo, request: web.Request, body: bytes) -> None:
        wanted = _attributes(info)
        self.requests.append(
            RecordedRequest(
                user=user.name,
                verb=wanted.verb,
                gvr=info.gvr,
                namespace=wanted.namespace,
                name=wanted.name,
                subresource=wanted.subresource,
                dry_run=asks_for_dry_run(info, request.query, body),
                at=self._now(),
            )
        )

    async def _dispatch(self, request: web.Request, call: Call) -> web.StreamResponse:
        subresource, verb = call.info.subresource, call.info.verb
        if subresource and subresource in call.resource.subresources:
            return await self._subresource(request, call)
        if verb == "watch":
            if subresource:
                raise no_such_resource()
            return await watch_stream(request, self._store, call, self.faults)
        return rendered(self._store, call, self._rest.handle(call))

    async def _subresource(self, request: web.Request, call: Call) -> web.StreamResponse:
        match call.info.subresource, call.info.verb:
            case "log", "get":
                return await log_stream(request, PodLog(self._store, self._registry, call))
            case "proxy", _:
                if self._session is None:
                    raise RuntimeError("the server has not been started")
                target = proxy_target(self._store, self._registry, call)
                return await forward(self._session, request, call, target)
            case "eviction", "create":
                return rendered(self._store, call, pod_actions.evict(self._store, call))
            case "binding", "create":
                return rendered(self._store, call, pod_actions.bind(self._store, call))
        raise ApiError(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )


def _attributes(info: RequestInfo) -> Attributes:
    """What is to be authorized; a Namespace counts as being in itself."""
    in_itself = info.name if info.gvr == NAMESPACES else ""
    return Attributes(
        verb=info.verb,
        group=info.gvr.group,
        resource=info.gvr.resource,
        subresource=info.subresource,
        namespace=info.namespace or in_itself,
        name=proxied_name(info.name) if info.subresource == "proxy" else info.name,
    )
