"""The services of the contract suite in any cluster: small, with images that nobody pulls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import PODS, SERVICES, Kind, Manifest
from bot.clouds.kubernetes.rollouts import WorkloadKind, is_rolled_out
from bot.clouds.kubernetes.workloads import is_ready
from strategies.common.waiting import Objects, Pending, Selection, wait_until
from strategies.kubernetes.workload import WORKLOADS
from tests.cluster.api import Administrator, RecordedCluster
from tests.cluster.fake_kubelet import pod_placement
from tests.strategies.stage import Stage

VERSION_LABEL = "app.kubernetes.io/version"
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class ClusterStage(Stage):
    """A service in a namespace of its own."""

    administrator: Administrator
    recorded: RecordedCluster
    namespace: str
    node: str
    kind: WorkloadKind = "Deployment"

    def changes(self) -> list[str]:
        return list(self.recorded.changes)

    async def live(self) -> object:
        if self.strategy == "blue-green":
            service = await self.recorded.get(SERVICES, self.namespace, "app")
            return service["spec"]["selector"]
        workload = await self.recorded.get(WORKLOADS[self.kind], self.namespace, "app")
        return workload["spec"]["template"]["spec"]["containers"][0]["image"]

    async def sabotage(self) -> None:
        kind, path, value = (
            (SERVICES, "/spec/selector", {"app": "app", "version": "green", "zone": "a"})
            if self.strategy == "blue-green"
            else (WORKLOADS[self.kind], "/spec/template/spec/containers/0/image", "app:v1.9.0")
        )
        patch = [{"op": "replace", "path": path, "value": value}]
        await self.administrator.edit(kind, self.namespace, "app", patch)

    async def apply(self, kind: Kind, manifest: Manifest) -> None:
        await self.administrator.apply(kind, self.namespace, manifest)

    async def release(self, version: str, *, name: str = "app", colour: str = "") -> None:
        """Apply the workload with this version and wait for its rollout."""
        made = workload(self.kind, name, version, self.node, colour=colour)
        await self.apply(WORKLOADS[self.kind], made)
        await self.rolled_out(name, version)

    async def rolled_out(self, name: str, version: str) -> None:
        def check(objects: Objects) -> Pending | str:
            done = bool(objects[0]) and is_rolled_out(objects[0][0]) and any(objects[1])
            ready = all(map(is_ready, objects[1]))
            return "done" if done and ready else Pending(summary=f"{name} {version}")

        labels = f"workload={name}"
        await self.until(
            check,
            Selection(kind=WORKLOADS[self.kind], namespace=self.namespace, fields=_named(name)),
            Selection(kind=PODS, namespace=self.namespace, labels=labels),
        )

    async def until(self, check: Callable[[Objects], Pending | str], *seen: Selection) -> None:
        await wait_until(self.world, seen, check, patience_seconds=PATIENCE_SECONDS)


def _named(name: str) -> str:
    return f"metadata.name={name}"


def workload(
    kind: WorkloadKind, name: str, version: str, node: str, *, colour: str = ""
) -> Manifest:
    """Two pods (one on our node for a DaemonSet)."""
    own = {"app": "app", "workload": name, **({"version": colour} if colour else {})}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": own},
        "template": {
            "metadata": {"labels": {**own, VERSION_LABEL: version}},
            "spec": {
                **pod_placement(node),
                "containers": [{"name": "app", "image": f"app:{version}"}],
            },
        },
    }
    if kind != "DaemonSet":
        spec["replicas"] = 2
    if kind == "StatefulSet":
        spec["serviceName"] = "app"
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def service(selector: dict[str, str]) -> Manifest:
    """The Service of the blue-green stage."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "app"},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }


def catalog_entry(namespace: str, kind: WorkloadKind | None) -> ServiceEntry:
    """Without a URL, a version path or a port: no pod can be asked where none runs."""
    target: dict[str, Any] = {"strategy": "rolling", "namespace": namespace, "kind": kind}
    if kind is None:
        target = {
            "strategy": "blue-green",
            "namespace": namespace,
            "service": "app",
            "deployments": {"blue": "app-blue", "green": "app-green"},
            "drain_timeout": "1s",
        }
    else:
        target["workload"] = "app"
    return ServiceEntry.model_validate(
        {"rollback": [target], "version_path": None, "health_path": None}
    )


async def install(stage: ClusterStage) -> None:
    """v2.0.0 and then v2.1.0, which is live."""
    if stage.strategy == "blue-green":
        for colour, version in (("blue", "v2.0.0"), ("green", "v2.1.0")):
            await stage.release(version, name=f"app-{colour}", colour=colour)
            await stage.apply(SERVICES, service({"app": "app", "version": colour}))
        return
    for version in ("v2.0.0", "v2.1.0"):
        await stage.release(version)
