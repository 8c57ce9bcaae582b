"""One service of the catalog: where it is, how it is measured, and how it is rolled back."""

from __future__ import annotations

from typing import Annotated, TypeVar, get_args

from pydantic import ConfigDict, Field, model_validator

from bot.config.addresses import ServerUrl, UrlPath
from bot.config.metrics import METRICS, MetricsSettings
from bot.config.metrics.hosted import ServicePods
from bot.config.paperwork import GitHubSettings, ReleasePlanSettings
from bot.config.references import ChannelRef
from bot.config.smoke import SmokeTest
from bot.config.targets.base import STRATEGIES, Target
from bot.config.verification import Dependency, Probes, Verification
from bot.domain.approval import ApprovalPolicy
from bot.domain.assessment import Thresholds
from bot.domain.values import Value
from bot.errors import ConfigurationError
from bot.registry import OneOf

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
