"""Rolling back by switching a feature flag off, at the service that keeps the flags."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AnyHttpUrl, Field, JsonValue, field_serializer

from bot.catalog.target import Target
from bot.catalog.types import Duration, SecretName, ServerUrl, UrlPath
from bot.core.values import Value


class Expectation(Value):
    """What an answer of the service looks like while the feature is off; all of it must hold."""

    status: int = Field(default=200, ge=100, le=599)
    """The HTTP status."""
    contains: str = ""
    """The body has this text."""
    not_contains: str = ""
    """The body does not have this text."""
    json_members: dict[str, JsonValue] = Field(default_factory=dict, alias="json")
    """Members of the JSON body and their values; dots lead into nested objects."""


class Probe(Value):
    """A request to the service itself that tells whether the feature is off for its users."""

    path: str
    """Path of the service that shows the feature."""
    expect: Expectation = Expectation()
    """What its answer looks like without the feature."""
    times: int = Field(default=5, ge=1, le=50)
    """So many consecutive answers, each over a fresh connection, must be as expected."""
    patience: Duration = timedelta(seconds=30)
    """How long the behaviour may take to change."""

    @field_serializer("patience", when_used="json")
    def _patience_as_written(self, value: timedelta) -> str:
        return _written(value)


class FlagTarget(Target):
    """What all services of feature flags have in common."""

    strategy: Literal["feature-flag"]
    flag: str = Field(min_length=1)
    """The flag's name, or key, at its service."""
    refresh: Duration = timedelta(seconds=15)
    """How long running instances may keep an old value."""
    probe: Probe | None = None
    """Without it the bot can only see that the flag is off, not that the feature is."""
    patience: Duration = timedelta(seconds=60)
    """How long the service of the flags may take to show a change."""

    @property
    def is_in_cluster(self) -> bool:
        """The flag is kept by a service of its own."""
        return False

    @field_serializer("refresh", "patience", when_used="json")
    def _as_written(self, value: timedelta) -> str:
        return _written(value)


class HttpFlagTarget(FlagTarget):
    """An HTTP API of one's own: POST {"flag", "enabled", "percentage"}, GET to read."""

    provider: Literal["http"]
    url: ServerUrl
    """Base of the API."""
    switch_path: UrlPath = "/admin/flags"
    """Path that gets the POST."""
    read_path: UrlPath = "/admin/flags/{flag}"
    """Answers JSON with ``enabled`` and, where the API has them, ``percentage`` and ``version``."""
    token: SecretName | None = None
    """Name of the environment variable with the API's token."""
    header: str = "Authorization"
    """Header that carries the token."""
    scheme: str = "Bearer"
    """What stands before the token in the header; empty for the token alone."""


class UnleashTarget(FlagTarget):
    """Unleash: a flag in one environment of a project."""

    provider: Literal["unleash"]
    url: ServerUrl
    """Of the Unleash server, without ``/api``."""
    project: str = "default"
    """The flag's project."""
    environment: str
    """The environment in which it goes off."""
    token: SecretName
    """An admin token, a service account's or a personal access token."""
    refresh: Duration = timedelta(seconds=15)
    """The SDKs' refresh interval; 15 s is their default."""


class LaunchDarklyTarget(FlagTarget):
    """LaunchDarkly: a flag in one environment of a project."""

    provider: Literal["launchdarkly"]
    url: ServerUrl = AnyHttpUrl("https://app.launchdarkly.com")
    """The API's address."""
    project: str
    """Key of the flag's project."""
    environment: str
    """Key of the environment in which it goes off."""
    token: SecretName
    """An API access token, not an SDK key."""
    safe_variation: JsonValue = False
    """Value of the variation that must be served while the flag is off."""
    refresh: Duration = timedelta(seconds=5)
    """The SDKs stream changes; this allows for reconnections. Longer for polling SDKs."""


class FlagsmithTarget(FlagTarget):
    """Flagsmith: a feature's state in one environment."""

    provider: Literal["flagsmith"]
    url: ServerUrl = AnyHttpUrl("https://api.flagsmith.com")
    """Of the API, without ``/api/v1``."""
    environment: str
    """The client-side environment key."""
    token: SecretName
    """An organisation API key, sent as ``Api-Key``."""
    refresh: Duration = timedelta(seconds=60)
    """The SDKs' refresh interval for local evaluation; 60 s is their default."""


class AppConfigTarget(FlagTarget):
    """AWS AppConfig: a feature flag profile, whose newest deployment is stopped or reverted."""

    provider: Literal["appconfig"]
    application: str = Field(pattern=r"^[a-z0-9]{4,7}$")
    """Id of the application."""
    environment: str = Field(pattern=r"^[a-z0-9]{4,7}$")
    """Id of the environment."""
    profile: str = Field(pattern=r"^[a-z0-9]{4,7}$")
    """Id of the configuration profile of type AWS.AppConfig.FeatureFlags."""
    region: str | None = None
    refresh: Duration = timedelta(seconds=60)
    """How often clients poll; the agent's and the Lambda extension's default is 45 s."""


AnyFlagTarget = (
    HttpFlagTarget | UnleashTarget | LaunchDarklyTarget | FlagsmithTarget | AppConfigTarget
)
FeatureFlagTarget = Annotated[AnyFlagTarget, Field(discriminator="provider")]
"""A feature flag; ``provider`` tells which service keeps it."""


def _written(value: timedelta) -> str:
    return f"{value.total_seconds():g}s"
