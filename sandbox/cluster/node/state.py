"""What `status.containerStatuses` tells of a container."""

from dataclasses import dataclass, field

from sandbox.cluster.base.types import Manifest


def _creating() -> Manifest:
    return {"waiting": {"reason": "ContainerCreating"}}


@dataclass(kw_only=True)
class ContainerState:
    """Changed by the container and its probes, read by the pod."""

    state: Manifest = field(default_factory=_creating)
    last_state: Manifest = field(default_factory=dict)
    ready: bool = False
    started: bool = False
    restarts: int = 0
    container_id: str = ""
