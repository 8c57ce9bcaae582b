"""A Kubernetes cluster on loopback: API server, controllers and kubelet."""

from sandbox.cluster.errors import ApiError
from sandbox.cluster.events import Event, Subscription
from sandbox.cluster.runtime import LogLine, PodRuntimeRegistry
from sandbox.cluster.store import ObjectStore
from sandbox.cluster.types import GVR, Manifest

__all__ = [
    "GVR",
    "ApiError",
    "Event",
    "LogLine",
    "Manifest",
    "ObjectStore",
    "PodRuntimeRegistry",
    "Subscription",
]
