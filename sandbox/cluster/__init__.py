"""A Kubernetes cluster on loopback: API server, controllers and kubelet."""

from sandbox.cluster.errors import ApiError
from sandbox.cluster.events import Event, Subscription
from sandbox.cluster.faults import Faults
from sandbox.cluster.rbac import ADMIN_RULES, Rule, User
from sandbox.cluster.requests import RecordedRequest
from sandbox.cluster.runtime import LogLine, PodRuntimeRegistry
from sandbox.cluster.server import ClusterServer
from sandbox.cluster.store import ObjectStore
from sandbox.cluster.types import GVR, Manifest

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
