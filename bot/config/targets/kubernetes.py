"""Rolling back on Kubernetes by a Service's selector or a workload's revision."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from bot.config.durations import Duration
from bot.domain.values import Value


class BlueGreenTarget(Value):
    """A Kubernetes Service whose selector chooses between two sets of pods."""

    strategy: Literal["blue-green"]
    namespace: str
    service: str
    """Name of the Service that is switched."""
    label: str = "version"
    """The selector key that tells the colours apart."""
    deployments: dict[str, str] = Field(min_length=2)
    """Value of the label → name of the Deployment."""
    drain_timeout: Duration = timedelta(seconds=60)
    """How long open connections to the old colour are waited for."""


class RollingTarget(Value):
    """A Deployment that is rolled back by revision."""

    strategy: Literal["rolling"]
    namespace: str
    deployment: str
