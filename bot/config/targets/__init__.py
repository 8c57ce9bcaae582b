"""Ways to roll a service back, as the catalog describes them: one file a strategy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bot.config.targets.canary import CanaryTarget
from bot.config.targets.composed import ComposedTarget
from bot.config.targets.database import AlembicTarget, RestoreTarget, SqlMigrationsTarget
from bot.config.targets.elbv2 import Elbv2Target
from bot.config.targets.feature_flag import FeatureFlagTarget, FlagTarget
from bot.config.targets.kubernetes import BlueGreenTarget, RollingTarget
from bot.config.targets.rds import RdsTarget
from bot.config.targets.recreate import RecreateTarget

__all__ = [
    "BlueGreenTarget",
    "CanaryTarget",
    "ComposedTarget",
    "DatabaseTarget",
    "Elbv2Target",
    "FeatureFlagTarget",
    "RecreateTarget",
    "RollbackTarget",
    "RollingTarget",
    "is_in_cluster",
]

DatabaseTarget = Annotated[
    SqlMigrationsTarget | AlembicTarget | RestoreTarget | RdsTarget, Field(discriminator="method")
]
"""One way to roll a database back; ``method`` tells which."""

RollbackTarget = Annotated[
    BlueGreenTarget
    | DatabaseTarget
    | Elbv2Target
    | FeatureFlagTarget
    | RecreateTarget
    | CanaryTarget
    | ComposedTarget
    | RollingTarget,
    Field(discriminator="strategy"),
]
"""One way to roll back; ``strategy`` tells which."""


def is_in_cluster(target: RollbackTarget) -> bool:
    """Whether this way takes a Kubernetes cluster; a composed one does where its parts do."""
    if isinstance(target, SqlMigrationsTarget | AlembicTarget | RestoreTarget | RdsTarget):
        return bool(target.writers)
    return not isinstance(target, Elbv2Target | FlagTarget | ComposedTarget)
