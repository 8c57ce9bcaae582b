"""Rolling back on Kubernetes by a workload's revision."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, model_validator

from bot.config.addresses import Namespace
from bot.config.targets.base import Target
from bot.domain.rollouts import WorkloadKind


def _either_name(schema: dict[str, Any]) -> None:
    """The short form for editors: pydantic does not know what a validator accepts."""
    schema["properties"]["deployment"] = {
        "type": "string",
        "description": "Short for `kind: Deployment` and `workload`.",
    }
    schema["required"].remove("workload")
    schema["oneOf"] = [{"required": ["workload"]}, {"required": ["deployment"]}]


class RollingTarget(Target):
    """A workload that is rolled back by revision, or by image where no revision is left.

    ``deployment: name`` is short for ``kind: Deployment`` and ``workload: name``.
    """

    model_config = ConfigDict(json_schema_extra=_either_name)

    strategy: Literal["rolling"]
    namespace: Namespace
    kind: WorkloadKind = "Deployment"
    workload: str
    """Name of the workload."""

    @model_validator(mode="before")
    @classmethod
    def _deployment_is_short(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "deployment" not in given:
            return given
        if "workload" in given or given.get("kind", "Deployment") != "Deployment":
            raise ValueError("name either a deployment, or a kind and a workload")
        rest = {key: value for key, value in given.items() if key != "deployment"}
        return {**rest, "workload": given["deployment"]}
