"""One service of the catalog: where it is, how it is measured, and how it is rolled back."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, TypeVar, get_args

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from bot.catalog.metrics import METRICS, MetricsSettings, ServicePods
from bot.catalog.paperwork import GitHubSettings, ReleasePlanSettings
from bot.catalog.smoke_tests import SmokeTest
from bot.catalog.target import STRATEGIES, Target
from bot.catalog.types import ChannelRef, Duration, ServerUrl, UrlPath
from bot.core.errors import ConfigurationError
from bot.core.registry import OneOf
from bot.core.values import Fraction, Value
from bot.incident.approval import ApprovalPolicy
from bot.incident.assessment import Thresholds
from bot.judge.counts import JudgePolicy

# How recovery is proven, and how long the service is watched afterwards.

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


T = TypeVar("T", bound=Target)


class ServiceEntry(Value):
    """One service."""

    # Strategies, which it asks for their settings, know it.
    model_config = ConfigDict(defer_build=True)

    description: str = ""
    """One line for people."""
    public_name: str = ""
    """How customers know the service; empty for its name in the catalog."""
    url: ServerUrl | None = None
    """Where users reach it; used for the health and version checks."""
    health_path: UrlPath | None = "/health"
    """Answers 200 while the service is well; null when there is none."""
    version_path: UrlPath | None = "/version"
    """Answers the release, as JSON {"version": …} or plain text; null when there is none."""
    version_label: str = "app.kubernetes.io/version"
    """Pod label that names the release; without it the image tag does."""
    instance_port: int | None = Field(default=None, ge=1, le=65535)
    """Port on which each pod answers the version path; default: the port of `pods` metrics.
    With metrics from elsewhere name it, or no version can be proven."""
    rollback: tuple[Annotated[Target, OneOf(STRATEGIES, "strategy")], ...] = Field(min_length=1)
    """Ways to roll back, the preferred one first."""
    metrics: Annotated[MetricsSettings, OneOf(METRICS, "provider")] | None = None
    """Where request counts come from; without them nothing can be proven recovered."""
    thresholds: Thresholds = Thresholds()
    """Where the decision matrix draws its lines for this service."""
    verification: Verification | None = None
    """How recovery of this service is proven; default: the catalog's."""
    smoke_tests: tuple[SmokeTest, ...] = ()
    """Users' tasks that must work before the service is called recovered."""
    probes: Probes | None = None
    """Requests of the bot's own while users' are too few to prove anything."""
    dependencies: tuple[Dependency, ...] = ()
    """What the service needs: names of services of this catalog, or addresses that answer 2xx."""
    approval: ApprovalPolicy | None = None
    """Who must approve for this service; default: the catalog's."""
    stakeholder_channels: tuple[ChannelRef, ...] = ()
    """Told every update, beside the channels of ``updates``."""
    github: GitHubSettings | None = None
    """Where the service's code and releases are; None compares no changes."""
    release_plan: ReleasePlanSettings | None = None
    """Where the rollback summary is appended; None leaves the release plan alone."""

    @model_validator(mode="after")
    def _release_plan_has_a_place(self) -> ServiceEntry:
        wants_github = self.release_plan is not None and self.release_plan.provider == "github"
        if wants_github and (self.github is None or self.github.token is None):
            raise ValueError("a release plan on GitHub needs “github” with a “token”")
        return self

    @model_validator(mode="after")
    def _reachable_for_smoke_tests_and_probes(self) -> ServiceEntry:
        names = [test.name for test in self.smoke_tests]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two smoke tests are called “{name}”")
        if self.url is not None:
            return self
        needy = [t.name for t in self.smoke_tests if any(r.path for r in t.requests)]
        if needy:
            raise ValueError(f"smoke test “{needy[0]}” has paths, but the service has no url")
        if self.probes is not None:
            raise ValueError("probes need the service's url")
        return self

    def target(self, kind: type[T]) -> T:
        """The way to roll back of this kind; raises ConfigurationError when there is none."""
        for one in self.rollback:
            if isinstance(one, kind):
                return one
        (name,) = get_args(kind.model_fields["strategy"].annotation)
        raise ConfigurationError(f"The catalog names no {name} target for this service.")

    @property
    def is_in_cluster(self) -> bool:
        """Whether it takes a Kubernetes cluster to measure the service or to roll it back."""
        return self.pod_metrics is not None or any(target.is_in_cluster for target in self.rollback)

    @property
    def pod_metrics(self) -> ServicePods | None:
        """The pods that its metrics are read from; None where another system measures it."""
        return self.metrics.pods if self.metrics else None
