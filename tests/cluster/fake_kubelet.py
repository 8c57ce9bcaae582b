"""A node without a kubelet: pods become ready because their status is patched through the API.

For control planes that run controllers but no containers, where nobody else reports on pods.
The node is one of our own: labelled, so that only our pods want it, and tainted, so that no others
come. Its heartbeat keeps the node lifecycle controller from evicting them.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from bot.clouds.kubernetes.objects import PODS, Manifest
from bot.clouds.kubernetes.objects import Cluster as ClusterPort
from bot.clouds.kubernetes.workloads import (
    image_tag,
    is_finished,
    is_ready,
    is_terminating,
    name_of,
)
from tests.cluster.api import NODES, Administrator

HEARTBEAT_SECONDS = 5.0
LABEL = "rollback-bot.example/cluster-test"
_STRATEGIC = "application/strategic-merge-patch+json"
_ADDRESSES = itertools.count(1)


def pod_placement(node: str) -> Manifest:
    """What a pod template needs to run here and nowhere else."""
    return {
        "nodeSelector": {LABEL: node},
        "tolerations": [{"operator": "Exists"}],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class FakeKubelet:
    """Reports on the pods of one namespace that want the node ``node``."""

    def __init__(self, administrator: Administrator, cluster: ClusterPort, node: str) -> None:
        self._administrator = administrator
        self._cluster = cluster
        self._node = node

    async def register(self) -> None:
        """Bring the node into being, ready and with room."""
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self._node,
                "labels": {LABEL: self._node, "kubernetes.io/hostname": self._node},
            },
            "spec": {"taints": [{"key": LABEL, "value": self._node, "effect": "NoSchedule"}]},
        }
        status = await self._administrator.ask("POST", NODES, body=node)
        assert status in {201, 409}, f"the node cannot be made: HTTP {status}"
        await self._beat()

    async def withdraw(self) -> None:
        """Take the node away again."""
        await self._administrator.ask("DELETE", NODES, "", self._node)

    async def _beat(self) -> None:
        room = {"cpu": "64", "memory": "256Gi", "pods": "500"}
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "a test says so",
            "lastHeartbeatTime": _now(),
            "lastTransitionTime": _now(),
        }
        status = {"capacity": room, "allocatable": room, "conditions": [ready]}
        await self._administrator.ask(
            "PATCH", NODES, "", f"{self._node}/status", body={"status": status},
            media_type=_STRATEGIC,
        )  # fmt: skip

    @asynccontextmanager
    async def serving(self, namespace: str) -> AsyncIterator[None]:
        """Report while the block runs."""
        tasks = [
            asyncio.create_task(self._heartbeats()),
            asyncio.create_task(self._follow(namespace)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            for error in ended:
                if isinstance(error, Exception):
                    raise error

    async def _heartbeats(self) -> None:
        while True:
            await self._beat()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _follow(self, namespace: str) -> None:
        async for change in self._cluster.watch(PODS, namespace):
            if change.type != "DELETED":
                await self.report(change.manifest)

    async def report(self, pod: Manifest) -> None:
        """Whatever a kubelet would do next with this pod."""
        namespace, name = pod["metadata"]["namespace"], name_of(pod)
        if (pod["spec"].get("nodeSelector") or {}).get(LABEL) != self._node:
            return
        if is_terminating(pod):
            uid = pod["metadata"]["uid"]
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
            await self._administrator.ask("DELETE", PODS, namespace, name, body=options)
        elif not pod["spec"].get("nodeName"):
            binding = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": name, "namespace": namespace},
                "target": {"apiVersion": "v1", "kind": "Node", "name": self._node},
            }
            # 409: the scheduler was faster.
            await self._administrator.ask("POST", PODS, namespace, f"{name}/binding", body=binding)
        elif not _reported(pod) and not is_finished(pod):
            await self._administrator.ask(
                "PATCH", PODS, namespace, f"{name}/status",
                body={"metadata": {"uid": pod["metadata"]["uid"]}, "status": _status(pod)},
                media_type=_STRATEGIC,
            )  # fmt: skip


def _healthy(pod: Manifest) -> bool:
    """An image whose tag says “unready” never gets ready."""
    return not image_tag(pod["spec"]["containers"][0]["image"]).endswith("unready")


def _reported(pod: Manifest) -> bool:
    running = (pod.get("status") or {}).get("phase") == "Running"
    return running and is_ready(pod) == _healthy(pod)


def _status(pod: Manifest) -> Manifest:
    number = next(_ADDRESSES)
    address = f"10.213.{number // 250}.{number % 250 + 1}"
    ready = "True" if _healthy(pod) else "False"
    conditions = [
        {"type": kind, "status": status, "lastTransitionTime": _now()}
        for kind, status in (
            ("PodScheduled", "True"),
            ("Initialized", "True"),
            ("ContainersReady", ready),
            ("Ready", ready),
        )
    ]
    containers = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": _healthy(pod),
            "started": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": _now()}},
        }
        for container in pod["spec"]["containers"]
    ]
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": _now(),
        "conditions": conditions,
        "containerStatuses": containers,
    }
