"""What `kubectl get` shows of workloads and their kin.

After kubernetes `pkg/printers/internalversion/printers.go`. Each cell is computed on the server;
columns of priority 1 are for `-o wide`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sandbox.cluster.base.durations import age
from sandbox.cluster.base.selectors import format_label_selector
from sandbox.cluster.base.types import Manifest, parse_time

NONE = "<none>"
UNSET = "<unset>"
Cell: TypeAlias = Callable[[Manifest, datetime], Any]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    priority: int = 0


def text(name: str, cell: Callable[[Manifest], Any], *, wide: bool = False) -> Column:
    """A column that does not depend on the time."""
    return Column(name=name, cell=lambda obj, _: cell(obj), priority=int(wide))


def count(name: str, cell: Callable[[Manifest], Any]) -> Column:
    """A column of whole numbers."""
    return Column(name=name, cell=lambda obj, _: cell(obj) or 0, type="integer")


def spec(obj: Manifest) -> Manifest:
    """The specification, empty when there is none."""
    found: Manifest = obj.get("spec") or {}
    return found


def status(obj: Manifest) -> Manifest:
    """The status, empty when there is none."""
    found: Manifest = obj.get("status") or {}
    return found


def containers(obj: Manifest) -> list[Manifest]:
    """The containers of a workload's pod template."""
    template = spec(obj).get("template") or {}
    found: list[Manifest] = (template.get("spec") or {}).get("containers") or []
    return found


NAME = Column(name="Name", cell=lambda obj, _: obj["metadata"]["name"], format="name")
AGE = Column(name="Age", cell=lambda obj, now: age(obj["metadata"].get("creationTimestamp"), now))
CONTAINERS = text("Containers", lambda o: ",".join(c["name"] for c in containers(o)), wide=True)
IMAGES = text("Images", lambda o: ",".join(c.get("image", "") for c in containers(o)), wide=True)
SELECTOR = text("Selector", lambda o: format_label_selector(spec(o).get("selector")), wide=True)


def labels_text(labels: Mapping[str, str] | None) -> str:
    """`a=1,b=2`, or `<none>`."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def _hpa_reference(obj: Manifest) -> str:
    target = spec(obj).get("scaleTargetRef") or {}
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def _hpa_targets(obj: Manifest) -> str:
    metrics = spec(obj).get("metrics") or []
    current = status(obj).get("currentMetrics") or []
    shown = [
        _hpa_target(metric, current[at] if at < len(current) else {})
        for at, metric in enumerate(metrics)
    ]
    more = f" + {len(shown) - 2} more..." if len(shown) > 2 else ""
    return ", ".join(shown[:2]) + more or NONE


def _hpa_target(metric: Manifest, current: Manifest) -> str:
    source = metric.get("type", "")
    field = source[:1].lower() + source[1:]
    wanted = (metric.get(field) or {}).get("target") or {}
    have = (current.get(field) or {}).get("current") or {}
    name = (metric.get(field) or {}).get("name", "")
    prefix = f"{name}: " if field in {"resource", "containerResource"} and name else ""
    if "averageUtilization" in wanted:
        now = f"{have['averageUtilization']}%" if "averageUtilization" in have else "<unknown>"
        return f"{prefix}{now}/{wanted['averageUtilization']}%"
    goal = wanted.get("averageValue") or wanted.get("value") or ""
    return f"{prefix}{have.get('averageValue') or have.get('value') or '<unknown>'}/{goal}"


def _job_status(obj: Manifest) -> str:
    for kind, shown in (("Complete", "Complete"), ("Failed", "Failed"), ("Suspended", "Suspended")):
        if _condition(obj, kind) == "True":
            return shown
    return "Terminating" if "deletionTimestamp" in obj["metadata"] else "Running"


def _job_duration(obj: Manifest, now: datetime) -> str:
    started, ended = status(obj).get("startTime"), status(obj).get("completionTime")
    if not started:
        return ""
    return age(started, parse_time(ended) if ended else now)


def _condition(obj: Manifest, kind: str) -> str:
    conditions = status(obj).get("conditions") or []
    return next((c.get("status", "") for c in conditions if c.get("type") == kind), "")


def _controller(obj: Manifest) -> str:
    for owner in obj["metadata"].get("ownerReferences", []):
        if owner.get("controller"):
            group = owner["apiVersion"].split("/")[0] if "/" in owner["apiVersion"] else ""
            kind = owner["kind"].lower()
            return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"
    return NONE


def _available(field: str) -> Callable[[Manifest], Any]:
    return lambda obj: str(spec(obj)[field]) if field in spec(obj) else "N/A"


WORKLOAD_COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "deployments": (
        NAME,
        text(
            "Ready", lambda o: f"{status(o).get('readyReplicas', 0)}/{spec(o).get('replicas', 0)}"
        ),
        count("Up-to-date", lambda o: status(o).get("updatedReplicas")),
        count("Available", lambda o: status(o).get("availableReplicas")),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
    "replicasets": (
        NAME,
        count("Desired", lambda o: spec(o).get("replicas")),
        count("Current", lambda o: status(o).get("replicas")),
        count("Ready", lambda o: status(o).get("readyReplicas")),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
    "statefulsets": (
        NAME,
        text(
            "Ready", lambda o: f"{status(o).get('readyReplicas', 0)}/{spec(o).get('replicas', 0)}"
        ),
        AGE,
        CONTAINERS,
        IMAGES,
    ),
    "daemonsets": (
        NAME,
        count("Desired", lambda o: status(o).get("desiredNumberScheduled")),
        count("Current", lambda o: status(o).get("currentNumberScheduled")),
        count("Ready", lambda o: status(o).get("numberReady")),
        count("Up-to-date", lambda o: status(o).get("updatedNumberScheduled")),
        count("Available", lambda o: status(o).get("numberAvailable")),
        text(
            "Node Selector",
            lambda o: labels_text(
                (spec(o).get("template", {}).get("spec") or {}).get("nodeSelector")
            ),
        ),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
    "horizontalpodautoscalers": (
        NAME,
        text("Reference", _hpa_reference),
        text("Targets", _hpa_targets),
        text("MinPods", lambda o: str(spec(o).get("minReplicas", UNSET))),
        count("MaxPods", lambda o: spec(o).get("maxReplicas")),
        count("Replicas", lambda o: status(o).get("currentReplicas")),
        AGE,
    ),
    "poddisruptionbudgets": (
        NAME,
        text("Min Available", _available("minAvailable")),
        text("Max Unavailable", _available("maxUnavailable")),
        count("Allowed Disruptions", lambda o: status(o).get("disruptionsAllowed")),
        AGE,
    ),
    "controllerrevisions": (
        NAME,
        text("Controller", _controller),
        count("Revision", lambda o: o.get("revision")),
        AGE,
    ),
    "jobs": (
        NAME,
        text("Status", _job_status),
        text(
            "Completions",
            lambda o: f"{status(o).get('succeeded', 0)}/{spec(o).get('completions', 1)}",
        ),
        Column(name="Duration", cell=_job_duration),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
}
