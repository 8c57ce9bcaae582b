"""OpenAPI documents, as far as kubectl needs them.

kubectl asks them two things: whether a PATCH takes `dryRun` and `fieldValidation` (then the
server validates), and for schemas, which it skips when none is there. Version 2 is also served
in the gnostic protobuf form, the only one that client-go reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import yaml
from aiohttp import web

from sandbox.cluster.base import discovery
from sandbox.cluster.base.errors import ApiError
from sandbox.cluster.base.negotiation import accepted
from sandbox.cluster.base.rendering import document
from sandbox.cluster.base.resources import ResourceCatalog, ResourceType
from sandbox.cluster.base.types import Manifest

# Clients ask with "@", which is no valid media type in an answer.
_PROTOBUF_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_PROTOBUF_ASKED = {_PROTOBUF_V2, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"}
_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force")
_INFO = {"title": "Kubernetes", "version": discovery.VERSION["gitVersion"]}


def _group_version_path(resource: ResourceType) -> str:
    gvr = resource.gvr
    return f"apis/{gvr.group}/{gvr.version}" if gvr.group else f"api/{gvr.version}"


def _object_path(resource: ResourceType) -> str:
    scope = "namespaces/{namespace}/" if resource.namespaced else ""
    return f"/{_group_version_path(resource)}/{scope}{resource.gvr.resource}/{{name}}"


def _kind(resource: ResourceType) -> dict[str, str]:
    gvr = resource.gvr
    return {"group": gvr.group, "kind": resource.kind, "version": gvr.version}


def v3(catalog: ResourceCatalog, path: str) -> Manifest | None:
    """`/openapi/v3` (path empty) or the document of one group and version."""
    if not path:
        paths = sorted({_group_version_path(each) for each in catalog})
        return {"paths": {each: {"serverRelativeURL": _hashed(catalog, each)} for each in paths}}
    served = [each for each in catalog if _group_version_path(each) == path]
    if not served:
        return None
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": {_object_path(each): {"patch": _patch_v3(each)} for each in served},
        "components": {"schemas": {}},
    }


def _hashed(catalog: ResourceCatalog, path: str) -> str:
    # The hash changes with what is served, so that clients drop what they cached.
    kinds = sorted(each.kind for each in catalog if _group_version_path(each) == path)
    digest = hashlib.sha256(",".join(kinds).encode()).hexdigest()
    return f"/openapi/v3/{path}?hash={digest[:32].upper()}"


def _patch_v3(resource: ResourceType) -> Manifest:
    return {
        "operationId": f"patch{resource.kind}",
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for name in _PARAMETERS
        ],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-group-version-kind": _kind(resource),
    }


def v2_response(catalog: ResourceCatalog, accept: str) -> web.Response:
    """`/openapi/v2` in JSON or in protobuf; raises ApiError 406."""
    for wanted in accepted(accept):
        if wanted.name in {"application/json", "*/*", "application/*"}:
            return document(_v2(catalog))
        if wanted.name in _PROTOBUF_ASKED:
            response = web.Response(body=_v2_protobuf(catalog))
            response.headers["Content-Type"] = _PROTOBUF_V2
            return response
    raise ApiError(406, "NotAcceptable", "only JSON and protobuf are served")


def _v2(catalog: ResourceCatalog) -> Manifest:
    return {
        "swagger": "2.0",
        "info": _INFO,
        "paths": {
            _object_path(each): {
                "patch": {
                    "parameters": [
                        {"name": name, "in": "query", "type": "string"} for name in _PARAMETERS
                    ],
                    "responses": {"200": {"description": "OK"}},
                    "x-kubernetes-group-version-kind": _kind(each),
                }
            }
            for each in catalog
        },
        "definitions": {},
    }


# --- protobuf: field numbers of gnostic's openapiv2/OpenAPIv2.proto ------------------------


def _v2_protobuf(catalog: ResourceCatalog) -> bytes:
    info = _text(1, _INFO["title"]) + _text(2, _INFO["version"])
    paths = b"".join(
        _message(2, _text(1, _object_path(each)) + _message(2, _message(8, _operation(each))))
        for each in catalog
    )
    return _text(1, "2.0") + _message(2, info) + _message(8, paths)


def _operation(resource: ResourceType) -> bytes:
    extension = _text(1, "x-kubernetes-group-version-kind") + _message(
        2, _text(2, yaml.safe_dump(_kind(resource)))
    )
    return b"".join(_query_parameters()) + _message(13, extension)


def _query_parameters() -> Iterator[bytes]:
    for name in _PARAMETERS:
        query = _text(2, "query") + _text(4, name) + _text(6, "string")
        # ParametersItem.parameter / Parameter.non_body_parameter / .query_parameter_sub_schema
        yield _message(8, _message(1, _message(2, _message(3, query))))


def _text(number: int, value: str) -> bytes:
    return _message(number, value.encode())


def _message(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
