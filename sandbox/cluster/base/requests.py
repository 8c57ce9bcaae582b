"""What a request asks for, read from its method, path and query."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sandbox.cluster.base.errors import bad_request, no_such_resource
from sandbox.cluster.base.types import GVR

_METHOD_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_NAMESPACE_SUBRESOURCES = {"status", "finalize"}


@dataclass(frozen=True, kw_only=True)
class RequestInfo:
    """A request for a resource. Empty `namespace`: all or none; empty `name`: the collection."""

    verb: str
    gvr: GVR
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""


@dataclass(frozen=True, kw_only=True)
class RecordedRequest:
    """One request the server received, for assertions on what a client did."""

    user: str
    verb: str
    gvr: GVR
    namespace: str
    name: str
    subresource: str
    dry_run: bool
    at: datetime

    @property
    def mutates(self) -> bool:
        """Whether the request could change what is stored."""
        reviews = self.gvr.group in {"authorization.k8s.io", "authentication.k8s.io"}
        return not self.dry_run and not reviews and self.verb not in {"get", "list", "watch"}


def parse_request(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """Reads `/api/v1/…` and `/apis/group/version/…`; raises ApiError 404 for other paths."""
    gvr_parts, parts = _split(path)
    group, version = gvr_parts
    namespace = ""
    if len(parts) > 2 and parts[0] == "namespaces" and parts[2] not in _NAMESPACE_SUBRESOURCES:
        namespace, parts = parts[1], parts[2:]
    resource, name, subresource, *rest = [*parts, "", "", ""][: max(len(parts), 3)]
    return RequestInfo(
        verb=_verb(method, name, query),
        gvr=GVR(group=group, version=version, resource=resource),
        namespace=namespace,
        name=name,
        subresource=subresource,
        rest="/".join(rest),
    )


def _split(path: str) -> tuple[tuple[str, str], list[str]]:
    parts = path.strip("/").split("/")
    trailing = [""] if path.endswith("/") else []
    if parts[0] == "api" and len(parts) > 2:
        return ("", parts[1]), [*parts[2:], *trailing]
    if parts[0] == "apis" and len(parts) > 3:
        return (parts[1], parts[2]), [*parts[3:], *trailing]
    raise no_such_resource()


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    if method in {"GET", "HEAD"}:
        if name and not flag(query, "watch"):
            return "get"
        return "watch" if flag(query, "watch") else "list"
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    return _METHOD_VERBS.get(method, method.lower())


def asks_for_dry_run(info: RequestInfo, query: Mapping[str, str], body: bytes) -> bool:
    """Whether nothing is to be stored: said in the query, or in the options of a deletion."""
    if query.get("dryRun") == "All":
        return True
    if info.verb not in {"delete", "deletecollection"}:
        return False
    try:
        options = json.loads(body or b"{}")
    except ValueError:
        return False
    return isinstance(options, dict) and "All" in (options.get("dryRun") or [])


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean query parameter; present without a value means true."""
    return name in query and query[name].lower() not in {"false", "0"}


def number(query: Mapping[str, str], name: str) -> int | None:
    """An integer query parameter, or None; 400 when it is not a number."""
    text = query.get(name, "")
    if not text:
        return None
    if not text.lstrip("-").isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def is_dry_run(query: Mapping[str, str]) -> bool:
    """`dryRun=All`; 400 for any other value."""
    value = query.get("dryRun", "")
    if value not in {"", "All"}:
        raise bad_request(f'Invalid value: "{value}": dryRun: supported values: "All"')
    return value == "All"
