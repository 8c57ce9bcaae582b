"""One authorized call of the REST interface, and its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from sandbox.cluster.base import protobuf
from sandbox.cluster.base.errors import ApiError, bad_request
from sandbox.cluster.base.rbac import User
from sandbox.cluster.base.requests import RequestInfo, is_dry_run
from sandbox.cluster.base.resources import ResourceType
from sandbox.cluster.base.types import Manifest

MAX_MANAGER_LENGTH = 128


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request that has passed authentication and authorization, its body not yet read."""

    user: User
    info: RequestInfo
    resource: ResourceType
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be stored."""
        return is_dry_run(self.query)

    @property
    def manager(self) -> str:
        """Who the written fields belong to: `fieldManager`, else the User-Agent's first part."""
        given = self.query.get("fieldManager", "")
        if len(given) > MAX_MANAGER_LENGTH:
            raise bad_request("fieldManager: Too long: may not be more than 128 bytes")
        if given:
            return given
        agent = self.headers.get("User-Agent", "").split("/", 1)[0]
        return agent[:MAX_MANAGER_LENGTH] or "unknown"

    @property
    def content_type(self) -> str:
        """The body's media type without parameters."""
        return media_type(self.headers)

    def json(self) -> Any:
        """The body; raises ApiError 400 or 415."""
        return read_body(self.body, self.content_type)

    def object(self) -> Manifest:
        """The body as an object of this resource; raises ApiError 400."""
        obj = self.json()
        if not isinstance(obj, dict):
            raise bad_request("the object provided is unrecognized: it must be a JSON object")
        self.check(obj)
        return obj

    def check(self, obj: Manifest) -> None:
        """Whether the object is of the URL's kind, namespace and name; ApiError 400."""
        self._check_type(obj)
        self._check_identity(obj)

    def _check_type(self, obj: Manifest) -> None:
        if self.info.subresource not in {"", "status"}:
            return
        expected = self.resource.gvr.api_version
        version, kind = obj.get("apiVersion", expected), obj.get("kind", self.resource.kind)
        if version != expected:
            raise bad_request(
                f"the API version in the data ({version}) does not match the expected API "
                f"version ({expected})"
            )
        if kind != self.resource.kind:
            raise bad_request(
                f'{kind} in version "{self.resource.gvr.version}" cannot be handled as a '
                f'{self.resource.kind}: no kind "{kind}" is registered for this resource'
            )

    def _check_identity(self, obj: Manifest) -> None:
        metadata = obj.setdefault("metadata", {})
        if not isinstance(metadata, dict):
            raise bad_request("metadata must be a JSON object")
        if self.resource.namespaced and self.info.namespace:
            given = metadata.setdefault("namespace", self.info.namespace)
            if given != self.info.namespace:
                raise bad_request(
                    "the namespace of the provided object does not match the namespace sent on "
                    "the request"
                )
        if self.info.name:
            given = metadata.setdefault("name", self.info.name)
            if given != self.info.name:
                raise bad_request(
                    f"the name of the object ({given}) does not match the name on the URL "
                    f"({self.info.name})"
                )


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer with a body that is rendered as the client asked for."""

    body: Manifest
    status: int = 200
    warnings: tuple[str, ...] = field(default=())


def read_body(body: bytes, content_type: str) -> Any:
    """A body in any of the forms that objects are sent in; raises ApiError 400 or 415."""
    if content_type == protobuf.MEDIA_TYPE:
        return protobuf.decode(body)
    if content_type not in {"application/json", "application/yaml", "*/*", ""}:
        raise unsupported_media_type("application/json", "application/yaml", protobuf.MEDIA_TYPE)
    return parse_body(body, as_yaml=content_type == "application/yaml")


def media_type(headers: Mapping[str, str]) -> str:
    """The body's media type without parameters; JSON when it is not named."""
    return headers.get("Content-Type", "application/json").split(";")[0].strip()


def parse_body(body: bytes, *, as_yaml: bool) -> Any:
    """JSON or YAML; raises ApiError 400."""
    try:
        return yaml.safe_load(body) if as_yaml else json.loads(body)
    except (ValueError, yaml.YAMLError) as error:
        raise bad_request(f"the object provided is unrecognized: {error}") from error


def unsupported_media_type(*accepted: str) -> ApiError:
    """415, naming what would be accepted."""
    return ApiError(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted),
    )
