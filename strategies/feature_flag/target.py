"""Rolling back by switching a feature flag off, at the service that keeps the flags."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, field_serializer

from bot.catalog.target import Target
from bot.catalog.types import Duration
from bot.core.registry import OneOf, Registry
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
    provider: str
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


FLAGS: Registry[Any] = Registry("flags", "service of feature flags")
"""Each is a ``strategies.feature_flag.service.FlagProvider``."""
FeatureFlagTarget = Annotated[FlagTarget, OneOf(FLAGS, "provider")]
"""A feature flag; ``provider`` tells which service keeps it."""


def _written(value: timedelta) -> str:
    return f"{value.total_seconds():g}s"
