"""A flag in AWS AppConfig: its newest deployment is stopped, or reverted within 72 hours.

https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-deploying-reverting.html
"""

from __future__ import annotations

import asyncio
import json
import shlex
from datetime import datetime, timedelta
from typing import Any

from bot.config.targets.feature_flag import AppConfigTarget
from bot.domain.plan import Preflight
from bot.domain.values import spoken
from bot.errors import PermanentError, WorldMovedError
from bot.ports.world import World
from strategies.flags.model import Flag, FlagState
from strategies.preflights.verdicts import blocked, passed, warned

_RUNNING = {"VALIDATING", "DEPLOYING", "BAKING"}
_LIVE = {*_RUNNING, "COMPLETE"}
_UNSETTLED = {"VALIDATING", "DEPLOYING", "ROLLING_BACK"}
_WINDOW = timedelta(hours=72)
_CLOSING = timedelta(hours=1)
_AT_ONCE = "AppConfig.AllAtOnce"
"""Predefined deployment strategy: everybody at once, then ten minutes of baking."""


class AppConfig:
    """See ``FlagService``. The number of the profile's newest deployment is the version."""

    def __init__(self, target: AppConfigTarget, world: World) -> None:
        self._target = target
        self._world = world
        self.place = f"AWS AppConfig, {target.application}/{target.environment}/{target.profile}"

    async def read(self) -> Flag:
        """The newest deployment that holds, and the one before it; see the protocol."""
        deployments = await self._deployments()
        standing = [one for one in deployments if one["State"] in _LIVE]
        if not standing:
            raise PermanentError(
                f"No deployment of profile {self._target.profile} holds in this environment.",
                "Deploy the configuration, or correct rollback.yml.",
            )
        live, before = standing[0], standing[1] if len(standing) > 1 else None
        enabled, earlier = await asyncio.gather(self._enabled(live), self._enabled(before))
        if enabled is None and not await self._is_withdrawn(deployments[0], live):
            raise PermanentError(
                f"The deployed configuration has no flag {self._target.flag}.",
                "Only profiles of type AWS.AppConfig.FeatureFlags in the hosted store are known.",
            )
        number, state = live["DeploymentNumber"], live["State"]
        share = f" ({live.get('PercentageComplete', 0):g} % deployed)" if state in _RUNNING else ""
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
            await self._call("start_deployment", **self._start(wanted))
            return
        if self._latest(flag)["DeploymentNumber"] != flag.document["live"]:
            raise WorldMovedError("The newest deployment was ended meanwhile.", "Plan again.")
        await self._call(
            "stop_deployment", DeploymentNumber=flag.document["live"], AllowRevert=True
        )

    def off(self, flag: Flag) -> FlagState:
        """The configuration before."""
        return FlagState(
            enabled=False, settings={"configuration": flag.document["before"] or "none"}
        )

    async def preflights(self, flag: Flag) -> tuple[Preflight, ...]:
        """Whether there is something to go back to, with the flag off, and time left."""
        return (
            self._before(flag),
            self._window(flag),
            warned(
                "Rights", "Not checked: the bot needs the actions in deploy/iam/appconfig.json."
            ),
        )

    def caveats(self, flag: Flag) -> tuple[str, ...]:
        """A share cannot be deployed."""
        if self._latest(flag)["State"] not in _RUNNING:
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
            "DeploymentStrategyId": _AT_ONCE,
        }

    def _cli(self, operation: str, *arguments: str) -> str:
        region = ("--region", self._target.region) if self._target.region else ()
        application = ("--application-id", self._target.application)
        environment = ("--environment-id", self._target.environment)
        words = ["aws", *region, "appconfig", operation, *application, *environment, *arguments]
        return shlex.join(words)

    async def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        return await self._world.aws.call(
            "appconfig",
            operation,
            region=self._target.region,
            ApplicationId=self._target.application,
            EnvironmentId=self._target.environment,
            **arguments,
        )

    async def _deployments(self) -> list[dict[str, Any]]:
        """Of this profile, the newest first."""
        pages = await self._world.aws.pages(
            "appconfig",
            "list_deployments",
            region=self._target.region,
            ApplicationId=self._target.application,
            EnvironmentId=self._target.environment,
        )
        found = [one for page in pages for one in page.get("Items") or []]
        mine = [one for one in found if one.get("ConfigurationProfileId") == self._target.profile]
        return sorted(mine, key=lambda one: int(one["DeploymentNumber"]), reverse=True)

    async def _enabled(self, deployment: dict[str, Any] | None) -> bool | None:
        """Whether the flag is on in a deployment's configuration; None when that is not told."""
        version = str(deployment["ConfigurationVersion"]) if deployment else ""
        if not version.isdigit():
            return None
        answer = await self._world.aws.call(
            "appconfig",
            "get_hosted_configuration_version",
            region=self._target.region,
            ApplicationId=self._target.application,
            ConfigurationProfileId=self._target.profile,
            VersionNumber=int(version),
        )
        content = await asyncio.to_thread(answer["Content"].read)
        return enabled_in(content, self._target.flag)

    async def _is_withdrawn(self, newest: dict[str, Any], live: dict[str, Any]) -> bool:
        """Whether the flag came with a deployment that was ended, and is gone with it."""
        return newest is not live and await self._enabled(newest) is not None

    def _latest(self, flag: Flag) -> dict[str, Any]:
        latest: dict[str, Any] = flag.document["deployments"][0]
        return latest

    def _before(self, flag: Flag) -> Preflight:
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

    def _window(self, flag: Flag) -> Preflight:
        name = "Time to revert"
        latest = self._latest(flag)
        if latest["DeploymentNumber"] != flag.document["live"]:
            return blocked(
                name,
                f"Deployment {latest['DeploymentNumber']} was rolled back already, and the "
                "bot reverts only the newest one. Deploy a configuration with the flag off.",
            )
        if latest["State"] in _RUNNING:
            return passed(name, "The deployment is in progress and will be stopped.")
        completed = datetime.fromisoformat(latest["CompletedAt"])
        left = _WINDOW - (self._world.clock.now() - completed)
        if left <= timedelta(0):
            return blocked(
                name,
                "The deployment was completed more than 72 hours ago; AppConfig reverts none so "
                "old. Deploy a configuration with the flag off.",
            )
        sentence = f"AppConfig can revert this deployment for {spoken(left.total_seconds())}."
        return warned(name, sentence) if left < _CLOSING else passed(name, sentence)


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


def _plain(deployment: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in deployment.items()
    }
