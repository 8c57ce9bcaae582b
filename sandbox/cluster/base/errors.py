"""API errors and their rendering as `Status` objects.

Wording and reasons follow k8s.io/apimachinery `pkg/api/errors`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.cluster.base.types import GVR, Manifest

STALE_OBJECT = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


class ApiError(Exception):
    """A request the API server refuses; `status` is the HTTP code, `reason` the StatusReason."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details: dict[str, Any] | None = dict(details) if details is not None else None
        self.headers = dict(headers or {})

    def to_status(self) -> Manifest:
        """The error as the body a client receives."""
        body: Manifest = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.status
        return body


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One field error. `kind` is how the message starts, e.g. `Invalid value`."""

    field: str
    reason: str
    message: str

    @classmethod
    def required(cls, field: str, detail: str = "") -> Cause:
        """A field that must be given is missing."""
        message = f"Required value: {detail}" if detail else "Required value"
        return cls(field=field, reason="FieldValueRequired", message=message)

    @classmethod
    def invalid(cls, field: str, value: object, detail: str) -> Cause:
        """A field has a value that is not allowed."""
        return cls(
            field=field,
            reason="FieldValueInvalid",
            message=f"Invalid value: {_shown(value)}: {detail}",
        )

    @classmethod
    def forbidden(cls, field: str, detail: str) -> Cause:
        """A field may not be set or changed here."""
        return cls(field=field, reason="FieldValueForbidden", message=f"Forbidden: {detail}")

    @classmethod
    def duplicate(cls, field: str, value: object) -> Cause:
        """A list key occurs twice."""
        return cls(
            field=field,
            reason="FieldValueDuplicate",
            message=f"Duplicate value: {_shown(value)}",
        )

    @classmethod
    def not_supported(cls, field: str, value: object, allowed: Iterable[str]) -> Cause:
        """A value is outside of an enumeration."""
        choices = ", ".join(f'"{choice}"' for choice in sorted(allowed))
        return cls(
            field=field,
            reason="FieldValueNotSupported",
            message=f"Unsupported value: {_shown(value)}: supported values: {choices}",
        )


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return json.dumps(value, separators=(",", ":"))


def _details(gvr: GVR, name: str) -> Manifest:
    details: Manifest = {"name": name} if name else {}
    if gvr.group:
        details["group"] = gvr.group
    details["kind"] = gvr.resource
    return details


def not_found(gvr: GVR, name: str) -> ApiError:
    """404: no such object."""
    return ApiError(404, "NotFound", f'{gvr.qualified} "{name}" not found', _details(gvr, name))


class NotServedError(ApiError):
    """404: the path names nothing the server knows. The answer is plain text, not a Status."""


def no_such_resource() -> NotServedError:
    """404: the path names a resource the server does not serve."""
    return NotServedError(404, "NotFound", "404 page not found")


def already_exists(gvr: GVR, name: str) -> ApiError:
    """409: the name is taken."""
    return ApiError(
        409, "AlreadyExists", f'{gvr.qualified} "{name}" already exists', _details(gvr, name)
    )


def conflict(gvr: GVR, name: str, why: str = STALE_OBJECT) -> ApiError:
    """409: a precondition does not hold."""
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {gvr.qualified} "{name}": {why}',
        _details(gvr, name),
    )


def invalid(group: str, kind: str, name: str, causes: Iterable[Cause]) -> ApiError:
    """422: the object breaks a rule of its kind; one cause a field."""
    found = list(causes)
    texts = [f"{cause.field}: {cause.message}" for cause in found]
    joined = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    qualified = f"{kind}.{group}" if group else kind
    details: Manifest = {"name": name} if name else {}
    if group:
        details["group"] = group
    details["kind"] = kind
    details["causes"] = [
        {"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in found
    ]
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {joined}', details)


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def gone(message: str) -> ApiError:
    """410: the resourceVersion is older than the history the server keeps."""
    return ApiError(410, "Expired", message)


def method_not_allowed(gvr: GVR, verb: str) -> ApiError:
    """405: the resource does not have this verb."""
    return ApiError(
        405,
        "MethodNotAllowed",
        f'{verb} is not supported on resources of kind "{gvr.qualified}"',
        _details(gvr, ""),
    )
