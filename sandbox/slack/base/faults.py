"""Things that go wrong at Slack, switched on for chosen calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

EVERY_METHOD = "*"
DisconnectReason = Literal["warning", "refresh_requested", "link_disabled"]


@dataclass(kw_only=True)
class Fault:
    """One way to fail, for the next `times` calls; None means until it is cleared."""

    method: str
    times: int | None
    status: int | None = None
    retry_after: int | None = None
    error: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    delay: float = 0.0
    hold: float | None = None

    @property
    def after_effect(self) -> bool:
        """Whether the call is carried out and only its answer is lost."""
        return self.hold is not None


@dataclass(kw_only=True)
class Duplication:
    """The next `times` payloads to the app come in `copies` copies each."""

    copies: int
    times: int | None


class Faults:
    """What fails, for which method and how often. `"*"` stands for every method."""

    def __init__(self, disconnect: Callable[[DisconnectReason | None], Awaitable[int]]) -> None:
        self._faults: list[Fault] = []
        self._duplications: list[Duplication] = []
        self._disconnect = disconnect

    def rate_limit(self, method: str, *, retry_after: int = 1, times: int | None = 1) -> None:
        """Answer 429 with Retry-After, in seconds."""
        self._faults.append(Fault(method=method, times=times, status=429, retry_after=retry_after))

    def server_error(self, method: str, *, status: int = 500, times: int | None = 1) -> None:
        """Answer with an HTTP error and no JSON; nothing takes effect."""
        self._faults.append(Fault(method=method, times=times, status=status))

    def error(self, method: str, error: str, *, times: int | None = None, **extra: Any) -> None:
        """Answer `ok: false` with this code, such as restricted_action."""
        self._faults.append(Fault(method=method, times=times, error=error, extra=extra))

    def timeout_after_effect(
        self, method: str, *, times: int | None = 1, hold: float = 0.0
    ) -> None:
        """Carry the call out, keep silent for `hold` seconds, then drop the connection."""
        self._faults.append(Fault(method=method, times=times, hold=hold))

    def slow(self, method: str, seconds: float, *, times: int | None = 1) -> None:
        """Carry the call out and answer late."""
        self._faults.append(Fault(method=method, times=times, delay=seconds))

    def duplicate_next(self, copies: int = 3, *, times: int | None = 1) -> None:
        """Send the next payloads several times over, with the same ids."""
        self._duplications.append(Duplication(copies=copies, times=times))

    async def disconnect(self, reason: DisconnectReason | None = "refresh_requested") -> int:
        """Close every socket, announced with a reason or (None) without a word.

        `warning` announces only. Returns the number of sockets.
        """
        return await self._disconnect(reason)

    def clear(self, method: str | None = None) -> None:
        """Stop the faults of one method, or all of them and the duplication too."""
        self._faults = [f for f in self._faults if method is not None and f.method != method]
        if method is None:
            self._duplications = []

    def take(self, method: str) -> Fault | None:
        """The fault that hits this call, counted down."""
        for fault in self._faults:
            if fault.method in (method, EVERY_METHOD):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                return fault
        return None

    def take_copies(self) -> int:
        """How often the next payload is to be sent."""
        for duplication in self._duplications:
            if duplication.times is not None:
                duplication.times -= 1
                if duplication.times <= 0:
                    self._duplications.remove(duplication)
            return duplication.copies
        return 1
