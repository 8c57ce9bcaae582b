"""Deployments of a feature flag profile in AWS AppConfig, and what their configurations say."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from bot.config.targets.feature_flag import AppConfigTarget
from bot.ports.outside import Aws

RUNNING = {"VALIDATING", "DEPLOYING", "BAKING"}
LIVE = {*RUNNING, "COMPLETE"}
"""States in which a deployment's configuration reaches clients."""


@dataclass(frozen=True, kw_only=True)
class Deployments:
    """The calls of one application's environment."""

    target: AppConfigTarget
    aws: Aws

    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """An operation on this environment; raises as ``Aws.call``."""
        return await self.aws.call(
            "appconfig",
            operation,
            region=self.target.region,
            ApplicationId=self.target.application,
            EnvironmentId=self.target.environment,
            **arguments,
        )

    async def newest_first(self) -> list[dict[str, Any]]:
        """Of this profile, the newest first."""
        pages = await self.aws.pages(
            "appconfig",
            "list_deployments",
            region=self.target.region,
            ApplicationId=self.target.application,
            EnvironmentId=self.target.environment,
        )
        found = [one for page in pages for one in page.get("Items") or []]
        mine = [one for one in found if one.get("ConfigurationProfileId") == self.target.profile]
        return sorted(mine, key=lambda one: int(one["DeploymentNumber"]), reverse=True)

    async def enabled(self, deployment: dict[str, Any] | None) -> bool | None:
        """Whether the flag is on in a deployment's configuration; None when that is not told."""
        version = str(deployment["ConfigurationVersion"]) if deployment else ""
        if not version.isdigit():
            return None
        answer = await self.aws.call(
            "appconfig",
            "get_hosted_configuration_version",
            region=self.target.region,
            ApplicationId=self.target.application,
            ConfigurationProfileId=self.target.profile,
            VersionNumber=int(version),
        )
        content = await asyncio.to_thread(answer["Content"].read)
        return enabled_in(content, self.target.flag)


def enabled_in(content: bytes, flag: str) -> bool | None:
    """From the values of an AWS.AppConfig.FeatureFlags document; variants count one by one."""
    try:
        values = json.loads(content).get("values") or {}
        value = values.get(flag)
    except (ValueError, AttributeError):
        return None
    if not isinstance(value, dict):
        return None
    variants = value.get("_variants")
    if isinstance(variants, list):
        return any(bool(one.get("enabled")) for one in variants)
    return bool(value.get("enabled"))
