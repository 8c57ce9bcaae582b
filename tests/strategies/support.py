"""What the strategies' tests share: the shop, a plan's execution, and questions to the cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bot.catalog.service import ServiceEntry
from bot.incident.plan import Plan, Preflight
from bot.metrics.pods import PodMetrics
from sandbox.cluster.base.rbac import Rule
from sandbox.cluster.base.resources import DAEMONSETS, DEPLOYMENTS, PODS, SERVICES, STATEFULSETS
from sandbox.cluster.base.types import GVR, Manifest
from sandbox.cluster.cluster import Cluster
from tests.strategies.stage import Stage

NAMESPACE = "shop"
RBAC = Path(__file__).parents[2] / "deploy" / "rbac.yaml"


def rules_of_the_bot(*, without: str = "") -> tuple[Rule, ...]:
    """Exactly the rights of deploy/rbac.yaml, or those without one of its optional roles."""
    documents = list(yaml.safe_load_all(RBAC.read_text(encoding="utf-8")))
    return tuple(
        Rule(
            verbs=tuple(rule["verbs"]),
            groups=tuple(rule["apiGroups"]),
            resources=tuple(rule["resources"]),
            namespaces=(NAMESPACE,) if document["kind"] == "Role" else ("*",),
        )
        for document in documents
        if document["kind"] in {"Role", "ClusterRole"} and document["metadata"]["name"] != without
        for rule in document["rules"]
    )


def checkout(url: str | None, **changes: Any) -> ServiceEntry:
    """The blue-green service of the catalog."""
    return ServiceEntry.model_validate(
        {
            "url": url,
            "rollback": [
                {
                    "strategy": "blue-green",
                    "namespace": NAMESPACE,
                    "service": "checkout",
                    "deployments": {"blue": "checkout-blue", "green": "checkout-green"},
                    "drain_timeout": "1s",
                }
            ],
            "metrics": PodMetrics(namespace=NAMESPACE, selector="app=checkout", port=8080),
            **changes,
        }
    )


def payments(kind: str = "Deployment", **changes: Any) -> ServiceEntry:
    """The rolling service of the catalog."""
    target = {"strategy": "rolling", "namespace": NAMESPACE, "kind": kind, "workload": "payments"}
    return ServiceEntry.model_validate(
        {
            "rollback": [target],
            "instance_port": 8080,
            **changes,
        }
    )


@dataclass(frozen=True, kw_only=True)
class Shop(Stage):
    """A service in the sandbox cluster."""

    cluster: Cluster

    async def live(self) -> object:
        """What the strategy changes, as it is now."""
        return self.selector() if self.strategy == "blue-green" else self.image()

    async def sabotage(self) -> None:
        """Somebody else changes what the plan was decided upon."""

        def selector(service: Manifest) -> None:
            service["spec"]["selector"] = {"app": "checkout", "version": "green", "zone": "a"}

        def image(workload: Manifest) -> None:
            containers = workload["spec"]["template"]["spec"]["containers"]
            containers[0]["image"] = "shop/payments:v1.9.0"

        if self.strategy == "blue-green":
            self.edit(SERVICES, "checkout", selector)
        else:
            self.edit(self.workload, "payments", image)

    def get(self, gvr: GVR, name: str) -> Manifest:
        return self.cluster.store.get(gvr, NAMESPACE, name)

    def edit(self, gvr: GVR, name: str, fn: Callable[[Manifest], None]) -> None:
        """A change by somebody else."""
        self.cluster.store.mutate(gvr, NAMESPACE, name, fn, manager="kubectl-edit")

    def selector(self) -> dict[str, str]:
        selector: dict[str, str] = self.get(SERVICES, "checkout")["spec"]["selector"]
        return selector

    @property
    def workload(self) -> GVR:
        """Where the workload of a rolling service is found."""
        kind = getattr(self.service.rollback[0], "kind", "Deployment")
        return {"StatefulSet": STATEFULSETS, "DaemonSet": DAEMONSETS}.get(kind, DEPLOYMENTS)

    def image(self, name: str = "payments") -> str:
        template = self.get(self.workload, name)["spec"]["template"]
        return str(template["spec"]["containers"][0]["image"])

    def pods(self, app: str) -> list[Manifest]:
        return self.cluster.store.list(PODS, NAMESPACE, labels=f"app={app}")

    def changes(self) -> list[str]:
        """Every request of the bot so far that could change something, in order."""
        return [
            f"{request.verb} {request.gvr.resource}/{request.name}"
            for request in self.cluster.server.requests
            if request.user == "rollback-bot" and request.mutates
        ]


def preflight(plan: Plan, name: str) -> Preflight:
    return next(one for one in plan.preflights if one.name == name)
