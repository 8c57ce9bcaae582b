"""What should be known of AWS AppConfig before a deployment is stopped or reverted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from bot.config.targets.feature_flag import AppConfigTarget
from bot.domain.plan import Preflight
from bot.domain.values import spoken
from bot.errors import PermanentError, TemporaryError
from bot.ports.outside import Aws
from strategies.flags.appconfig_deployments import RUNNING
from strategies.flags.model import Flag
from strategies.preflights.iam import NAME as RIGHTS
from strategies.preflights.iam import check_actions
from strategies.preflights.verdicts import blocked, passed, warned

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
