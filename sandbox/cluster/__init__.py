"""A Kubernetes cluster on loopback: API server, controllers and kubelet."""

from sandbox.cluster.base.errors import ApiError
from sandbox.cluster.base.events import Event, Subscription
from sandbox.cluster.base.faults import Faults
from sandbox.cluster.base.rbac import ADMIN_RULES, Rule, User
from sandbox.cluster.base.requests import RecordedRequest
from sandbox.cluster.base.runtime import LogLine, PodRuntimeRegistry
from sandbox.cluster.base.server import ClusterServer
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import GVR, Manifest

__all__ = [
    "ADMIN_RULES",
    "GVR",
    "ApiError",
    "ClusterServer",
    "Event",
    "Faults",
    "LogLine",
    "Manifest",
    "ObjectStore",
    "PodRuntimeRegistry",
    "RecordedRequest",
    "Rule",
    "Subscription",
    "User",
]
