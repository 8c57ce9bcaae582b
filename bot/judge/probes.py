"""Synthetic probes beside users' requests: what the two together can and cannot prove.

A probe goes through the front door, so most services count it like any user's request, but not
all do (a counter may leave the probed path out, a probe may never arrive). Whether a probe is
among the measured requests is therefore not assumed: every figure is the one of the two extremes
that speaks against the verdict it is used for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from bot.core.values import Instant, Value


class ProbeBucket(Value):
    """The bot's own requests over one stretch of time."""

    start: Instant
    seconds: float = Field(gt=0)
    sent: int = Field(ge=0)
    """So many at most: it is written down before they are sent."""
    answered: int = Field(ge=0)
    """So many have an outcome, and are evidence."""
    failed: int = Field(ge=0)
    """So many of those were answered wrongly or not in time."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Counts over the same time: measured at the service, and of the probes."""

    requests: int
    errors: int
    sent: int = 0
    answered: int = 0
    failed: int = 0

    @classmethod
    def of(cls, requests: int, errors: int, probes: Sequence[ProbeBucket]) -> Evidence:
        """Measured counts with the probes of the same time."""
        return cls(
            requests=requests,
            errors=errors,
            sent=sum(one.sent for one in probes),
            answered=sum(one.answered for one in probes),
            failed=sum(one.failed for one in probes),
        )

    @property
    def users(self) -> int:
        """Requests of users, at least: as if every probe had been measured too."""
        return max(0, self.requests - self.sent)

    @property
    def users_errors(self) -> int:
        """Failed requests of users, at least."""
        return max(0, self.errors - self.failed)

    @property
    def users_hopeful(self) -> tuple[int, int]:
        """Errors and requests of users alone for a proof that they fail: the fewest, the most."""
        return min(self.users_errors, self.requests), self.requests

    @property
    def users_doubtful(self) -> tuple[int, int]:
        """Errors and requests of users alone for a proof that they do not fail."""
        return min(self.errors, self.users), self.users

    @property
    def hopeful(self) -> tuple[int, int]:
        """Errors and requests of users and probes together for a proof of failure."""
        return max(self.errors, self.failed), self.requests + self.answered

    @property
    def doubtful(self) -> tuple[int, int]:
        """Errors and requests of users and probes together for a proof of recovery."""
        together = max(self.requests, self.answered)
        return min(self.errors + self.failed, together), together
