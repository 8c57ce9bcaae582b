"""The ``Cluster`` port over the official asynchronous Kubernetes client, in plain JSON."""

from bot.adapters.kubernetes.absent import NoCluster
from bot.adapters.kubernetes.cluster import KubernetesCluster
from bot.adapters.kubernetes.connection import connect_cluster

__all__ = ["KubernetesCluster", "NoCluster", "connect_cluster"]
