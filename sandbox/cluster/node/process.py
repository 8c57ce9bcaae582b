"""One run of a container's program."""

import asyncio
import time
import traceback

from sandbox.cluster.node.images import ContainerContext, Entrypoint

KILLED = 137  # 128 + SIGKILL


class Process:
    """A running entrypoint; what it logs and how it ends is the caller's business."""

    def __init__(self, entrypoint: Entrypoint, context: ContainerContext) -> None:
        self._context = context
        self._started = time.monotonic()
        self._killed = False
        self._task = asyncio.create_task(self._main(entrypoint))

    async def _main(self, entrypoint: Entrypoint) -> int:
        try:
            return await entrypoint(self._context)
        except Exception:
            for line in traceback.format_exc().rstrip().splitlines():
                self._context.log(line)
            return 1

    @property
    def ran_for(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    async def wait(self) -> int:
        """The exit code, once it has ended. Cancelling the wait leaves the process alone."""
        await asyncio.wait({self._task})
        return KILLED if self._task.cancelled() else self._task.result()

    async def terminate(self, grace: float) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds; returns when it has ended."""
        self._context.terminating.set()
        await asyncio.wait({self._task}, timeout=grace)
        await self.kill()

    async def kill(self) -> None:
        """SIGKILL; returns when it has ended."""
        self._task.cancel()
        await asyncio.wait({self._task})
