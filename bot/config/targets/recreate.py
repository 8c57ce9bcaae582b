"""Rolling back by taking a service down and bringing its old release up."""

from __future__ import annotations

from typing import Literal

from bot.config.addresses import Namespace
from bot.config.targets.base import Target

REVISION = "revision"
"""The old pod template is the one that the cluster keeps in a ReplicaSet."""


class RecreateTarget(Target):
    """A Deployment whose old pods must all be gone before a new one may start."""

    strategy: Literal["recreate"]
    namespace: Namespace
    deployment: str
    """Name of the Deployment."""
    manifest: str = REVISION
    """``revision``, or the path of the old manifest. ``{release}`` in a path stands for any
    release: every file that matches is a release to go back to."""
    autoscaler: Literal["restore", "refuse"] = "restore"
    """``restore``: what scales the Deployment is recorded, paused where it has to be, and given
    back at least its minimum. ``refuse``: a scaled Deployment is not recreated."""
