"""What can go wrong between a client and the API server, switched on by tests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from sandbox.cluster.base.errors import ApiError
from sandbox.cluster.base.requests import RequestInfo

_WORDS = {
    400: ("BadRequest", "the server does not understand the request"),
    401: ("Unauthorized", "Unauthorized"),
    403: ("Forbidden", "forbidden"),
    410: ("Expired", "too old resource version: 1 (2)"),
    429: (
        "TooManyRequests",
        "the server has received too many requests and has asked us to try again later",
    ),
    500: ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "the server was unable to return a response in the time allotted"),
}


@dataclass(frozen=True, kw_only=True)
class Match:
    """Which requests a fault hits; None is any."""

    verb: str | None = None
    resource: str | None = None
    name: str | None = None
    subresource: str | None = None

    def hits(self, info: RequestInfo) -> bool:
        """Whether the request is one of those."""
        wanted = (self.verb, self.resource, self.name, self.subresource)
        actual = (info.verb, info.gvr.resource, info.name, info.subresource)
        return all(want in (None, have) for want, have in zip(wanted, actual, strict=True))


@dataclass(kw_only=True)
class Fault:
    """One thing that goes wrong, `times` times.

    `delay_seconds` passes first. `error` is then answered; `hang` answers nothing at all;
    `disconnect` closes the connection. `after_effect`: the request is carried out before that.
    """

    match: Match
    times: int
    error: ApiError | None = None
    delay_seconds: float = 0.0
    hang: bool = False
    disconnect: bool = False
    after_effect: bool = False


@dataclass(kw_only=True)
class Faults:
    """The faults that wait for their requests, and the watches that can be cut."""

    _planned: list[Fault] = field(default_factory=list)
    _watches: set[asyncio.Transport] = field(default_factory=set)

    def answer(
        self,
        status: int,
        *,
        times: int = 1,
        retry_after_seconds: int | None = None,
        after_effect: bool = False,
        message: str = "",
        **match: str,
    ) -> None:
        """The next matching requests get this HTTP status with Kubernetes' own words for it.

        `message` stands in the place of the usual one, as a webhook's does.
        """
        reason, usual = _WORDS[status]
        headers: dict[str, str] = {}
        details: dict[str, Any] = {}
        if retry_after_seconds is not None:
            headers["Retry-After"] = str(retry_after_seconds)
            details["retryAfterSeconds"] = retry_after_seconds
        error = ApiError(status, reason, message or usual, details, headers=headers)
        self._plan(match, times=times, error=error, after_effect=after_effect)

    def delay(self, seconds: float, *, times: int = 1, **match: str) -> None:
        """The next matching requests are answered late."""
        self._plan(match, times=times, delay_seconds=seconds)

    def hang(self, *, times: int = 1, after_effect: bool = False, **match: str) -> None:
        """The next matching requests are never answered."""
        self._plan(match, times=times, hang=True, after_effect=after_effect)

    def disconnect(self, *, times: int = 1, after_effect: bool = False, **match: str) -> None:
        """The connection of the next matching requests is closed without an answer."""
        self._plan(match, times=times, disconnect=True, after_effect=after_effect)

    def drop_watches(self) -> int:
        """Cuts every open watch in the middle; returns how many there were."""
        open_now = list(self._watches)
        for transport in open_now:
            transport.abort()
        return len(open_now)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._planned.clear()

    def take(self, info: RequestInfo) -> Fault | None:
        """The fault for this request, used up by one; the server calls this."""
        fault = next((each for each in self._planned if each.match.hits(info)), None)
        if fault is not None:
            fault.times -= 1
            if fault.times == 0:
                self._planned.remove(fault)
        return fault

    def watch_opened(self, transport: asyncio.Transport) -> None:
        """A watch streams over this connection; the server calls this."""
        self._watches.add(transport)

    def watch_closed(self, transport: asyncio.Transport) -> None:
        """The watch has ended; the server calls this."""
        self._watches.discard(transport)

    def _plan(self, match: dict[str, str], *, times: int, **what: Any) -> None:
        self._planned.append(Fault(match=Match(**match), times=times, **what))
