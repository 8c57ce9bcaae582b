"""The controllers that a cluster runs."""

from sandbox.cluster.controllers.access import Access
from sandbox.cluster.controllers.deployment import DeploymentController
from sandbox.cluster.controllers.endpointslice import EndpointSliceController
from sandbox.cluster.controllers.events import EventRecorder
from sandbox.cluster.controllers.manager import Controller
from sandbox.cluster.controllers.replicaset import ReplicaSetController
from sandbox.cluster.controllers.scheduler import Scheduler
from sandbox.cluster.store import ObjectStore


def all_controllers(store: ObjectStore) -> list[Controller]:
    """One of each kind, as kube-controller-manager and kube-scheduler run them."""
    access = Access(store, "kube-controller-manager")
    return [
        DeploymentController(access, EventRecorder(store, "deployment-controller")),
        ReplicaSetController(access, EventRecorder(store, "replicaset-controller")),
        EndpointSliceController(access),
        Scheduler(Access(store, "kube-scheduler"), EventRecorder(store, "default-scheduler")),
    ]
