"""A flag in AWS AppConfig: its newest deployment is stopped, or reverted within 72 hours.

https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-deploying-reverting.html
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from bot.catalog.types import Duration
from bot.clouds.outside import Aws
from bot.core.errors import PermanentError, TemporaryError, WorldMovedError
from bot.core.values import spoken
from bot.engine.world import World
from bot.incident.plan import Preflight
from strategies.common.aws import IAM_RIGHTS as RIGHTS
from strategies.common.aws import check_actions
from strategies.common.commands import aws_cli
from strategies.common.preflights import blocked, passed, warned
from strategies.feature_flag.service import Flag, FlagProvider, FlagState
from strategies.feature_flag.target import FlagTarget

# Deployments of a feature flag profile in AWS AppConfig, and what their configurations say.

RUNNING = {"VALIDATING", "DEPLOYING", "BAKING"}
LIVE = {*RUNNING, "COMPLETE"}
"""States in which a deployment's configuration reaches clients."""


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


# What should be known of AWS AppConfig before a deployment is stopped or reverted.

AT_ONCE = "AppConfig.AllAtOnce"
"""Predefined deployment strategy: everybody at once, then ten minutes of baking."""
_WINDOW = timedelta(hours=72)
_CLOSING = timedelta(hours=1)


def latest(flag: Flag) -> dict[str, Any]:
    """The profile's newest deployment, whatever became of it."""
    newest: dict[str, Any] = flag.document["deployments"][0]
    return newest


def check_before(flag: Flag) -> Preflight:
    """A revert must lead to the flag off."""
    name = "Earlier configuration"
    version, enabled = flag.document["before"], flag.document["before_enabled"]
    if version is None:
        return blocked(name, "There is no earlier deployment to go back to.")
    if enabled:
        return blocked(
            name,
            f"Configuration {version}, which a revert brings back, has the flag on too: "
            "deploy one with the flag off.",
        )
    if enabled is None:
        return warned(name, f"Configuration {version} does not know the flag at all.")
    return passed(name, f"Configuration {version} has the flag off.")


def check_window(flag: Flag, now: datetime) -> Preflight:
    """AppConfig reverts only the newest deployment, within 72 hours."""
    name = "Time to revert"
    newest = latest(flag)
    if newest["DeploymentNumber"] != flag.document["live"]:
        return blocked(
            name,
            f"Deployment {newest['DeploymentNumber']} was rolled back already, and the "
            "bot reverts only the newest one. Deploy a configuration with the flag off.",
        )
    if newest["State"] in RUNNING:
        return passed(name, "The deployment is in progress and will be stopped.")
    completed = datetime.fromisoformat(newest["CompletedAt"])
    left = _WINDOW - (now - completed)
    if left <= timedelta(0):
        return blocked(
            name,
            "The deployment was completed more than 72 hours ago; AppConfig reverts none so "
            "old. Deploy a configuration with the flag off.",
        )
    sentence = f"AppConfig can revert this deployment for {spoken(left.total_seconds())}."
    return warned(name, sentence) if left < _CLOSING else passed(name, sentence)


async def check_rights(flag: Flag, target: AppConfigTarget, aws: Aws) -> Preflight:
    """To stop the deployment, and to start the one that an undo needs: AWS has no dry run."""
    needs = "The bot needs the actions in deploy/iam/appconfig.json."
    if target.region is None:
        return warned(RIGHTS, f"Not checked: rollback.yml names no region. {needs}")
    try:
        identity = await aws.call("sts", "get_caller_identity", region=target.region)
    except (PermanentError, TemporaryError) as error:
        return warned(RIGHTS, f"Not checked: {error.what} {needs}")
    partition, account = str(identity["Arn"]).split(":")[1], identity["Account"]
    return await check_actions(aws, target.region, _wanted(flag, target, partition, account))


def _wanted(
    flag: Flag, target: AppConfigTarget, partition: str, account: str
) -> dict[str, tuple[str, ...]]:
    """Each with the ARNs that it concerns, by the Service Authorization Reference."""
    place = f"arn:{partition}:appconfig:{target.region}:{account}"
    application = f"{place}:application/{target.application}"
    environment = f"{application}/environment/{target.environment}"
    profile = f"{application}/configurationprofile/{target.profile}"
    return {
        "appconfig:StopDeployment": (
            *(application, environment),
            f"{environment}/deployment/{flag.document['live']}",
        ),
        "appconfig:StartDeployment": (
            *(application, environment, profile),
            f"{place}:deploymentstrategy/{AT_ONCE}",
        ),
    }


_UNSETTLED = {"VALIDATING", "DEPLOYING", "ROLLING_BACK"}


class AppConfig:
    """See ``FlagService``. The number of the profile's newest deployment is the version."""

    def __init__(self, target: AppConfigTarget, world: World) -> None:
        self._target = target
        self._world = world
        self._deployments = Deployments(target=target, aws=world.aws)
        self.place = f"AWS AppConfig, {target.application}/{target.environment}/{target.profile}"

    async def read(self) -> Flag:
        """The newest deployment that holds, and the one before it; see the protocol."""
        deployments = await self._deployments.newest_first()
        standing = [one for one in deployments if one["State"] in LIVE]
        if not standing:
            raise PermanentError(
                f"No deployment of profile {self._target.profile} holds in this environment.",
                "Deploy the configuration, or correct rollback.yml.",
            )
        live, before = standing[0], standing[1] if len(standing) > 1 else None
        enabled, earlier = await asyncio.gather(
            self._deployments.enabled(live), self._deployments.enabled(before)
        )
        if enabled is None and not await self._is_withdrawn(deployments[0], live):
            raise PermanentError(
                f"The deployed configuration has no flag {self._target.flag}.",
                "Only profiles of type AWS.AppConfig.FeatureFlags in the hosted store are known.",
            )
        number, state = live["DeploymentNumber"], live["State"]
        share = f" ({live.get('PercentageComplete', 0):g} % deployed)" if state in RUNNING else ""
        version = live["ConfigurationVersion"]
        return Flag(
            state=FlagState(enabled=bool(enabled), settings={"configuration": version}),
            summary=f"{'on' if enabled else 'off'} by configuration {version}{share}",
            version=str(number),
            changed_at=live.get("StartedAt"),
            changed_by=f"deployment {deployments[0]['DeploymentNumber']} in AWS AppConfig",
            settled=deployments[0]["State"] not in _UNSETTLED,
            document={
                "deployments": [_plain(one) for one in deployments[:5]],
                "live": number,
                "before": before and before["ConfigurationVersion"],
                "before_enabled": earlier,
            },
        )

    async def switch(self, flag: Flag, wanted: FlagState) -> None:
        """Stop or revert the newest deployment, or deploy the recorded configuration again."""
        if wanted.enabled:
            # Refused with 409 while another deployment of this environment is in progress.
            await self._deployments.call("start_deployment", **self._start(wanted))
            return
        if latest(flag)["DeploymentNumber"] != flag.document["live"]:
            raise WorldMovedError("The newest deployment was ended meanwhile.", "Plan again.")
        await self._deployments.call(
            "stop_deployment", DeploymentNumber=flag.document["live"], AllowRevert=True
        )

    def off(self, flag: Flag) -> FlagState:
        """The configuration before."""
        return FlagState(
            enabled=False, settings={"configuration": flag.document["before"] or "none"}
        )

    async def preflights(self, flag: Flag) -> tuple[Preflight, ...]:
        """Whether there is something to go back to, with the flag off, time left, and rights."""
        return (
            check_before(flag),
            check_window(flag, self._world.clock.now()),
            await check_rights(flag, self._target, self._world.aws),
        )

    def caveats(self, flag: Flag) -> tuple[str, ...]:
        """A share cannot be deployed."""
        if latest(flag)["State"] not in RUNNING:
            return ()
        return ("the deployment in progress: an undo deploys its configuration to everybody",)

    def command(self, flag: Flag, wanted: FlagState) -> str:
        """The AWS CLI."""
        if not wanted.enabled:
            number = str(flag.document["live"])
            return self._cli("stop-deployment", "--deployment-number", number, "--allow-revert")
        start = self._start(wanted)
        return self._cli(
            "start-deployment",
            *("--configuration-profile-id", start["ConfigurationProfileId"]),
            *("--configuration-version", start["ConfigurationVersion"]),
            *("--deployment-strategy-id", start["DeploymentStrategyId"]),
        )

    def read_command(self) -> str:
        """The AWS CLI."""
        return self._cli("list-deployments")

    def _start(self, wanted: FlagState) -> dict[str, str]:
        return {
            "ConfigurationProfileId": self._target.profile,
            "ConfigurationVersion": str(wanted.settings["configuration"]),
            "DeploymentStrategyId": AT_ONCE,
        }

    def _cli(self, operation: str, *arguments: str) -> str:
        application = ("--application-id", self._target.application)
        environment = ("--environment-id", self._target.environment)
        return aws_cli(
            self._target.region, "appconfig", operation, *application, *environment, *arguments
        )

    async def _is_withdrawn(self, newest: dict[str, Any], live: dict[str, Any]) -> bool:
        """Whether the flag came with a deployment that was ended, and is gone with it."""
        return newest is not live and await self._deployments.enabled(newest) is not None


APPCONFIG = FlagProvider(name="appconfig", settings=AppConfigTarget, client=AppConfig)


def _plain(deployment: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in deployment.items()
    }
