"""What can go wrong on order: refusals as GitHub words them, lost answers, silence."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aiohttp import web

from sandbox.github.model import Json


@dataclass(kw_only=True)
class Fault:
    """What happens to the next requests with this method and path."""

    method: str = ""
    """Empty for any."""
    path: str = ""
    """Part of the path; empty for any."""
    status: int = 0
    """Answer this at once; 0 carries the request out and loses the answer."""
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    """Neither carry it out nor answer."""
    holds: bool = False
    """Carry it out, and keep the answer until the faults are cleared."""
    times: int | None = 1
    """None for as long as the fault stands."""

    def fits(self, request: web.Request) -> bool:
        """Whether it concerns this request."""
        return (not self.method or request.method == self.method) and self.path in request.path


class Faults:
    """Faults in the order in which they were ordered."""

    def __init__(self) -> None:
        self._ordered: list[Fault] = []
        self._silence = asyncio.Event()

    def order(self, fault: Fault) -> None:
        """Let something go wrong."""
        self._ordered.append(fault)

    def clear(self) -> None:
        """Everything works again, for those who hang too."""
        self._ordered.clear()
        self._silence.set()
        self._silence = asyncio.Event()

    def next(self, request: web.Request) -> Fault | None:
        """The fault that this request meets."""
        fault = next((one for one in self._ordered if one.fits(request)), None)
        if fault is not None and fault.times is not None:
            fault.times -= 1
            if fault.times == 0:
                self._ordered.remove(fault)
        return fault

    async def silence(self) -> None:
        """Hang until the faults are cleared."""
        await self._silence.wait()


def rate_limited(*, resets_at: int) -> Fault:
    """The primary limit: nothing is left until it resets."""
    return Fault(
        status=403,
        message="API rate limit exceeded for user ID 1.",
        headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(resets_at)},
    )


def slowed_down(*, seconds: int, status: int = 429) -> Fault:
    """A secondary limit, which comes as 403 or as 429."""
    return Fault(
        status=status,
        message="You have exceeded a secondary rate limit. Please wait a few minutes.",
        headers={"Retry-After": str(seconds)},
    )


def refusal(status: int, message: str, **more: object) -> web.Response:
    """An error as GitHub words it."""
    body: Json = {
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": str(status),
        **more,
    }
    return web.json_response(body, status=status)
