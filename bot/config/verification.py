"""How recovery is proven, and how long the service is watched afterwards."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from bot.config.addresses import UrlPath
from bot.config.durations import Duration
from bot.domain.recovery import JudgePolicy
from bot.domain.values import Fraction, Value

_MOST_PROBES_A_SECOND = 10
_ADDRESS = re.compile(r"https?://\S+")
_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def is_address(dependency: str) -> bool:
    """Whether a dependency is an address, and not the name of a service of the catalog."""
    return _ADDRESS.fullmatch(dependency) is not None


def _dependency(value: str) -> str:
    if not is_address(value) and not _SERVICE.fullmatch(value):
        raise ValueError(f"“{value}” is neither a service of this catalog nor an http(s) address")
    return value


Dependency = Annotated[str, AfterValidator(_dependency)]
"""The name of a service of this catalog, or an address that answers 2xx while it is well."""


class Verification(Value):
    """How recovery is proven."""

    checkpoints: tuple[Duration, ...] = (
        timedelta(minutes=2),
        timedelta(minutes=5),
        timedelta(minutes=10),
    )
    """Rows of the recovery table, counted from the end of the drain."""
    judge: JudgePolicy = JudgePolicy()
    """The judge's parameters."""
    baseline_window: Duration = timedelta(minutes=60)
    """How far before the bad release normal is looked for."""
    assumed_error_rate: Fraction | None = None
    """What to take for normal when nothing was measured before the bad release."""
    watch_after: Duration | None = timedelta(hours=1)
    """How long the service is watched for a relapse after a proven recovery; null: not at all."""

    @model_validator(mode="after")
    def _in_order_and_long_enough(self) -> Verification:
        if not self.checkpoints or list(self.checkpoints) != sorted(set(self.checkpoints)):
            raise ValueError("checkpoints must be one or more times in rising order")
        needed = timedelta(seconds=self.judge.bucket_seconds * self.judge.minimum_buckets)
        if self.checkpoints[-1] < needed:
            raise ValueError(
                f"the last checkpoint must leave room for {self.judge.minimum_buckets} buckets of "
                f"{self.judge.bucket_seconds:g} s: at least {needed.total_seconds():g} s"
            )
        return self


def _not_too_often(value: timedelta) -> timedelta:
    if value * _MOST_PROBES_A_SECOND < timedelta(seconds=1):
        raise ValueError(f"at most {_MOST_PROBES_A_SECOND} probes a second: they are load too")
    return value


class Probes(Value):
    """Requests of the bot's own for services with little traffic; GET, so that they change nothing.

    They are labelled, counted apart from users' requests, and called synthetic wherever they
    are shown.
    """

    path: UrlPath
    """Behind the service's ``url``; should do what users' requests do."""
    every: Annotated[Duration, AfterValidator(_not_too_often)] = timedelta(seconds=1)
    """Proof of a limit of 0.5 % takes about 600 answers without an error."""
    status: int = Field(default=200, ge=100, le=599)
    """Any other answer, and none in time, is a failed probe."""
    header: str = Field(default="X-Rollback-Bot-Probe", pattern=r"^[A-Za-z0-9-]+$")
    """Carries the incident's id, so that the service can tell probes from users."""
    timeout: Duration = timedelta(seconds=5)
    """A probe without an answer by then has failed."""
