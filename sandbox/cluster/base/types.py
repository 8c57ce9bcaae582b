"""The words everything in the cluster shares: resources, manifests, times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

Manifest: TypeAlias = dict[str, Any]
"""A Kubernetes object as plain JSON data."""

Manifests: TypeAlias = list[Manifest]

Json = TypeVar("Json")


@dataclass(frozen=True, kw_only=True, order=True)
class GVR:
    """Group, version and plural resource name; the core group is the empty string."""

    group: str
    version: str
    resource: str

    @property
    def api_version(self) -> str:
        """`v1` or `apps/v1`, as in a manifest."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`pods` or `deployments.apps`, as in error messages."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


def clone(value: Json) -> Json:
    """Deep copy of JSON data; several times faster than `copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}  # type: ignore[return-value] # same shape
    if isinstance(value, list):
        return [clone(item) for item in value]  # type: ignore[return-value] # same shape
    return value


def rfc3339(moment: datetime) -> str:
    """Whole seconds in UTC, the precision of `metav1.Time`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(moment: datetime) -> str:
    """Microseconds in UTC, the precision of `metav1.MicroTime`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Reads either precision; raises ValueError for anything else."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
