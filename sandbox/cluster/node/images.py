"""Images: what a container runs. Here a process is a coroutine that talks over loopback."""

import asyncio
import hashlib
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class ContainerContext:
    """What a process in a container can see and do.

    `terminating` is SIGTERM: it is set when the pod should end; a process that ignores it is
    cancelled (SIGKILL) after the grace period. `files` are the mounted ConfigMaps and Secrets
    by path. `publish` tells the node on which loopback host and port a container port listens.
    """

    image: str
    container: str
    pod: str
    namespace: str
    pod_ip: str
    labels: Mapping[str, str]
    env: Mapping[str, str]
    files: Mapping[str, str]
    log: Callable[[str], None]
    publish: Callable[[int, str, int], None]
    terminating: asyncio.Event = field(default_factory=asyncio.Event)

    def listen(self, container_port: int) -> socket.socket:
        """A listening socket that the cluster reaches as this port of the pod."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        host, port = listener.getsockname()
        listener.setblocking(False)
        self.publish(container_port, host, port)
        return listener


class Entrypoint(Protocol):
    """The program of an image; it returns the exit code, and an exception is exit code 1."""

    async def __call__(self, context: ContainerContext, /) -> int: ...


class ImageRegistry:
    """Images by reference; a reference that was never pushed cannot be pulled."""

    def __init__(self, images: Mapping[str, Entrypoint] | None = None) -> None:
        self._images: dict[str, Entrypoint] = dict(images or {})

    def push(self, reference: str, entrypoint: Entrypoint) -> None:
        """Publishes an image, or moves its tag."""
        self._images[reference] = entrypoint

    def remove(self, reference: str) -> None:
        """Deletes the tag; nodes that pulled it before still have it."""
        del self._images[reference]

    def pull(self, reference: str) -> Entrypoint | None:
        """The image, or None when the registry does not know it."""
        return self._images.get(reference)


def image_id(reference: str) -> str:
    """A digest reference as the container runtime reports it."""
    repository = reference.rsplit(":", 1)[0] if ":" in reference.rsplit("/", 1)[-1] else reference
    return f"{repository}@sha256:{hashlib.sha256(reference.encode()).hexdigest()}"
