"""Which resources the API server serves, and how each behaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.cluster.base.columns import Column
from sandbox.cluster.base.errors import no_such_resource
from sandbox.cluster.base.merge_schema import PLAIN, Node, schema_of
from sandbox.cluster.base.types import GVR

ALL_VERBS = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)


@dataclass(frozen=True, kw_only=True)
class ScalePaths:
    """Where the `scale` subresource reads and writes; dotted paths as in a CRD."""

    spec_replicas: str = ".spec.replicas"
    status_replicas: str = ".status.replicas"
    selector: str | None = ".spec.selector"


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """A kind the server stores and the rules that differ between kinds.

    `generation`: metadata.generation counts changes of the specification.
    `storage`: the resource whose objects are served, when several versions share them.
    `orphan_by_default`: deletion without a policy leaves dependents alone.
    `returns_deleted`: deletion answers with the object instead of a Status.
    `columns`, `custom_schema`: what a CustomResourceDefinition declares.
    """

    gvr: GVR
    kind: str
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    status: bool = False
    scale: ScalePaths | None = None
    generation: bool = False
    custom: bool = False
    storage: GVR | None = None
    orphan_by_default: bool = False
    returns_deleted: bool = False
    subresources: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    custom_schema: Node = PLAIN

    @property
    def merge_schema(self) -> Node:
        """How lists and maps of this kind merge."""
        return self.custom_schema if self.custom else schema_of(self.kind)

    @property
    def stored_as(self) -> GVR:
        """The resource under which the store keeps the objects."""
        return self.storage or self.gvr


def gvr(group: str, version: str, resource: str) -> GVR:
    """Shorthand for tables of resources."""
    return GVR(group=group, version=version, resource=resource)


NAMESPACES = gvr("", "v1", "namespaces")
PODS = gvr("", "v1", "pods")
SERVICES = gvr("", "v1", "services")
ENDPOINTS = gvr("", "v1", "endpoints")
CONFIGMAPS = gvr("", "v1", "configmaps")
SECRETS = gvr("", "v1", "secrets")
EVENTS = gvr("", "v1", "events")
NODES = gvr("", "v1", "nodes")
SERVICE_ACCOUNTS = gvr("", "v1", "serviceaccounts")
DEPLOYMENTS = gvr("apps", "v1", "deployments")
REPLICASETS = gvr("apps", "v1", "replicasets")
STATEFULSETS = gvr("apps", "v1", "statefulsets")
DAEMONSETS = gvr("apps", "v1", "daemonsets")
CONTROLLER_REVISIONS = gvr("apps", "v1", "controllerrevisions")
HPAS = gvr("autoscaling", "v2", "horizontalpodautoscalers")
HPAS_V1 = gvr("autoscaling", "v1", "horizontalpodautoscalers")
PDBS = gvr("policy", "v1", "poddisruptionbudgets")
ENDPOINT_SLICES = gvr("discovery.k8s.io", "v1", "endpointslices")
JOBS = gvr("batch", "v1", "jobs")
INGRESSES = gvr("networking.k8s.io", "v1", "ingresses")
LEASES = gvr("coordination.k8s.io", "v1", "leases")
CRDS = gvr("apiextensions.k8s.io", "v1", "customresourcedefinitions")

ALL = ("all",)
WORKLOAD_SCALE = ScalePaths()

BUILT_IN = (
    ResourceType(gvr=NAMESPACES, kind="Namespace", namespaced=False, short_names=("ns",),
                 verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
                 status=True),
    ResourceType(gvr=PODS, kind="Pod", short_names=("po",), categories=ALL, status=True,
                 returns_deleted=True, subresources=("log", "proxy", "eviction", "binding")),
    ResourceType(gvr=SERVICES, kind="Service", short_names=("svc",), categories=ALL, status=True,
                 returns_deleted=True, subresources=("proxy",)),
    ResourceType(gvr=ENDPOINTS, kind="Endpoints", short_names=("ep",), singular="endpoints"),
    ResourceType(gvr=CONFIGMAPS, kind="ConfigMap", short_names=("cm",)),
    ResourceType(gvr=SECRETS, kind="Secret"),
    ResourceType(gvr=EVENTS, kind="Event", short_names=("ev",)),
    ResourceType(gvr=NODES, kind="Node", namespaced=False, short_names=("no",), status=True),
    ResourceType(gvr=SERVICE_ACCOUNTS, kind="ServiceAccount", short_names=("sa",),
                 returns_deleted=True),
    ResourceType(gvr=DEPLOYMENTS, kind="Deployment", short_names=("deploy",), categories=ALL,
                 status=True, scale=WORKLOAD_SCALE, generation=True),
    ResourceType(gvr=REPLICASETS, kind="ReplicaSet", short_names=("rs",), categories=ALL,
                 status=True, scale=WORKLOAD_SCALE, generation=True),
    ResourceType(gvr=STATEFULSETS, kind="StatefulSet", short_names=("sts",), categories=ALL,
                 status=True, scale=WORKLOAD_SCALE, generation=True),
    ResourceType(gvr=DAEMONSETS, kind="DaemonSet", short_names=("ds",), categories=ALL,
                 status=True, generation=True),
    ResourceType(gvr=CONTROLLER_REVISIONS, kind="ControllerRevision"),
    ResourceType(gvr=HPAS, kind="HorizontalPodAutoscaler", short_names=("hpa",), categories=ALL,
                 status=True),
    ResourceType(gvr=HPAS_V1, kind="HorizontalPodAutoscaler", short_names=("hpa",),
                 categories=ALL, status=True, storage=HPAS),
    ResourceType(gvr=PDBS, kind="PodDisruptionBudget", short_names=("pdb",), status=True,
                 generation=True),
    ResourceType(gvr=ENDPOINT_SLICES, kind="EndpointSlice", generation=True),
    ResourceType(gvr=JOBS, kind="Job", categories=ALL, status=True, generation=True,
                 orphan_by_default=True),
    ResourceType(gvr=INGRESSES, kind="Ingress", short_names=("ing",), status=True,
                 generation=True),
    ResourceType(gvr=LEASES, kind="Lease"),
    ResourceType(gvr=CRDS, kind="CustomResourceDefinition", namespaced=False,
                 short_names=("crd", "crds"), categories=("api-extensions",), status=True,
                 generation=True),
)  # fmt: skip


class ResourceCatalog:
    """The resources served now: the built-in ones and those of CustomResourceDefinitions."""

    def __init__(self) -> None:
        self._types = {resource.gvr: resource for resource in BUILT_IN}

    def __iter__(self) -> Iterator[ResourceType]:
        return iter(self._types.values())

    def find(self, wanted: GVR) -> ResourceType:
        """The resource's rules; raises ApiError 404 when it is not served."""
        resource = self._types.get(wanted)
        if resource is None:
            raise no_such_resource()
        return resource

    def serve(self, resource: ResourceType) -> None:
        """Starts to serve a custom resource, or changes how it is served."""
        self._types[resource.gvr] = resource

    def withdraw(self, wanted: GVR) -> None:
        """Stops to serve a custom resource."""
        self._types.pop(wanted, None)
