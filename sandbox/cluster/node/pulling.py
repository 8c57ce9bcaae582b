"""Pulling a container's image, with back-off while the registry does not have it."""

import asyncio
from typing import Protocol

from sandbox.cluster.base.types import Manifest
from sandbox.cluster.node.environment import NodeEnvironment
from sandbox.cluster.node.images import Entrypoint
from sandbox.cluster.node.timings import Backoff


class Waiting(Protocol):
    """A container that can wait, say why, and be stopped meanwhile."""

    stopping: asyncio.Event

    async def pause(self, seconds: float) -> None:
        """Waits, but not longer than until the container is stopped."""

    def wait_because(self, reason: str, message: str = "") -> None:
        """Shows the reason in the pod's status."""


async def pull(
    node: NodeEnvironment, pod: Manifest, spec: Manifest, container: Waiting
) -> Entrypoint | None:
    """The image's program, or None when the container was stopped before it could be pulled."""
    image = str(spec["image"])
    present = node.cached(image, spec.get("imagePullPolicy"))
    if present is not None:
        message = f'Container image "{image}" already present on machine'
        node.events.normal(pod, "Pulled", message)
        return present
    backoff = Backoff(node.timings, immediate_first=False)
    while not container.stopping.is_set():
        node.events.normal(pod, "Pulling", f'Pulling image "{image}"')
        await container.pause(node.timings.image_pull)
        entrypoint = node.pull(image)
        if entrypoint is not None:
            node.events.normal(pod, "Pulled", f'Successfully pulled image "{image}"')
            return entrypoint
        await _failed(node, pod, image, container, backoff.next_delay())
    return None


async def _failed(
    node: NodeEnvironment, pod: Manifest, image: str, container: Waiting, delay: float
) -> None:
    why = f'failed to pull and unpack image "{image}": not found'
    node.events.warning(pod, "Failed", f'Failed to pull image "{image}": {why}')
    node.events.warning(pod, "Failed", "Error: ErrImagePull")
    container.wait_because("ErrImagePull", why)
    # Upstream shows the error until its next look at the pod, then the back-off.
    shown = min(delay / 2, node.timings.config_retry)
    await container.pause(shown)
    message = f'Back-off pulling image "{image}"'
    node.events.normal(pod, "BackOff", message)
    node.events.warning(pod, "Failed", "Error: ImagePullBackOff")
    container.wait_because("ImagePullBackOff", message)
    await container.pause(delay - shown)
