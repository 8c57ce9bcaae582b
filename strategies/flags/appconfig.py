"""A flag in AWS AppConfig: its newest deployment is stopped, or reverted within 72 hours.

https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-deploying-reverting.html
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from bot.config.targets.feature_flag import AppConfigTarget
from bot.domain.plan import Preflight
from bot.errors import PermanentError, WorldMovedError
from bot.ports.world import World
from strategies.commands import aws_cli
from strategies.flags.appconfig_checks import (
    AT_ONCE,
    check_before,
    check_rights,
    check_window,
    latest,
)
from strategies.flags.appconfig_deployments import LIVE, RUNNING, Deployments
from strategies.flags.model import Flag, FlagState

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


def _plain(deployment: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in deployment.items()
    }
