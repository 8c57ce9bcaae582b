"""The controllers that a cluster runs."""

from datetime import timedelta

from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.controllers.access import Access
from sandbox.cluster.controllers.daemonset import DaemonSetController
from sandbox.cluster.controllers.deployment import DeploymentController
from sandbox.cluster.controllers.endpoints import EndpointsController
from sandbox.cluster.controllers.endpointslice import EndpointSliceController
from sandbox.cluster.controllers.events import EventRecorder
from sandbox.cluster.controllers.hpa import (
    HorizontalPodAutoscalerController,
    MetricSource,
    no_metrics,
)
from sandbox.cluster.controllers.manager import Controller
from sandbox.cluster.controllers.replicaset import ReplicaSetController
from sandbox.cluster.controllers.scheduler import Scheduler
from sandbox.cluster.controllers.statefulset import StatefulSetController

# --horizontal-pod-autoscaler-sync-period
_HPA_PERIOD = timedelta(seconds=15)


def all_controllers(store: ObjectStore, *, usage: MetricSource = no_metrics) -> list[Controller]:
    """One of each kind, as kube-controller-manager and kube-scheduler run them."""
    access = Access(store, "kube-controller-manager")

    def events(component: str) -> EventRecorder:
        return EventRecorder(store, component)

    return [
        DeploymentController(access, events("deployment-controller")),
        ReplicaSetController(access, events("replicaset-controller")),
        StatefulSetController(access, events("statefulset-controller")),
        DaemonSetController(access, events("daemonset-controller")),
        EndpointSliceController(access),
        EndpointsController(access),
        HorizontalPodAutoscalerController(
            access, events("horizontal-pod-autoscaler"), usage=usage, period=_HPA_PERIOD
        ),
        Scheduler(Access(store, "kube-scheduler"), events("default-scheduler")),
    ]
