"""A deploy freeze: a withdrawn release stays out, and what CI reads to know that."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bot.core.values import Instant, Value

ANNOTATION = "rollback-bot.dev/deploy-freeze"
"""On Kubernetes objects."""
TAG = "rollback-bot:deploy-freeze"
"""On AWS resources, whose tags are customarily written with colons."""


class ClusterObject(Value):
    """A Kubernetes object that a deployment of the service changes."""

    system: Literal["kubernetes"] = "kubernetes"
    kind: str
    """For people: ``Deployment``."""
    api_version: str
    plural: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class AwsResource(Value):
    """A resource of AWS that sends users to a release."""

    system: Literal["aws"] = "aws"
    kind: str
    """For people: ``listener``."""
    region: str
    arn: str

    def __str__(self) -> str:
        return f"{self.kind} {self.arn}"


MarkedObject = Annotated[ClusterObject | AwsResource, Field(discriminator="system")]
"""Where the mark of a freeze is written."""


class Freeze(Value):
    """Deploys of a service are to wait because an incident has withdrawn a release."""

    service: str
    incident_id: str
    plan_hash: str
    """The rollback that it protects: every proven one sets its own freeze."""
    release: str
    """The withdrawn one."""
    until: Instant
    objects: tuple[MarkedObject, ...] = ()
    """Which may carry the mark."""

    @property
    def text(self) -> str:
        """The mark: ``INC-2026-001 v2.1.0 until 2026-11-28T10:00:00Z``."""
        return f"{self.incident_id} {self.release} until {self.until:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def key(self) -> str:
        """Tells it from every other freeze, also of the same service and incident."""
        return f"{self.service}/{self.incident_id}/{self.plan_hash[:16]}"
