"""Rolling back on Kubernetes by a Service's selector."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from bot.config.addresses import Namespace
from bot.config.durations import Duration
from bot.config.targets.base import Target


class BlueGreenTarget(Target):
    """A Kubernetes Service whose selector chooses between two sets of pods."""

    strategy: Literal["blue-green"]
    namespace: Namespace
    service: str
    """Name of the Service that is switched."""
    label: str = "version"
    """The selector key that tells the colours apart."""
    deployments: dict[str, str] = Field(min_length=2)
    """Value of the label → name of the Deployment."""
    drain_timeout: Duration = timedelta(seconds=60)
    """How long open connections to the old colour are waited for."""
