"""What lies around an RDS instance: keys, quotas, and what does not follow its name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from bot.domain.plan import Preflight
from bot.errors import PermanentError, TemporaryError
from bot.ports.world import World
from strategies.planning.rds.restore import RdsChange
from strategies.postgres.client import listed
from strategies.preflights.verdicts import blocked, passed, warned

_LONGEST_REASON = 200


async def check_surroundings(change: RdsChange, world: World) -> tuple[Preflight, ...]:
    """Each by a question of its own to AWS; what is not answered is a warning."""
    asked = await asyncio.gather(
        _unknown("Encryption key", _key(change, world)),
        _unknown("Quota", _quota(change, world)),
        _unknown("RDS Proxy", _proxies(change, world)),
        _unknown("Blue/green deployment", _deployments(change, world)),
    )
    return (*_hanging_on(change), *asked)


def _hanging_on(change: RdsChange) -> list[Preflight]:
    """What hangs on the old instance and does not follow the name."""
    live, found = change.live, []
    replicas = [
        *(live.get("ReadReplicaDBInstanceIdentifiers") or []),
        *(live.get("ReadReplicaDBClusterIdentifiers") or []),
    ]
    if replicas:
        found.append(
            warned(
                "Read replicas",
                f"{listed(replicas)} stay with the old instance and serve its data. Send readers "
                "to the new instance, and make replicas of it.",
            )
        )
    if live.get("MasterUserSecret"):
        found.append(
            warned(
                "Master password",
                "Secrets Manager keeps it, and makes another secret for the new instance: whoever "
                "reads the old secret by its ARN gets a wrong password.",
            )
        )
    if live.get("ActivityStreamStatus") in {"started", "starting"}:
        sentence = "The database activity stream stays with the old instance."
        found.append(warned("Activity stream", sentence))
    return found


async def _key(change: RdsChange, world: World) -> Preflight:
    name = "Encryption key"
    source = change.point.document or change.live
    key = source.get("KmsKeyId")
    if not key:
        return passed(name, "The data are not encrypted at rest, as now.")
    answer = await world.aws.call("kms", "describe_key", region=change.target.region, KeyId=key)
    state = answer["KeyMetadata"].get("KeyState")
    if state != "Enabled":
        return blocked(name, f"Key {key} is {state}: nothing can be restored with it. Enable it.")
    if key != change.live.get("KmsKeyId"):
        return warned(name, f"The snapshot is encrypted with {key}, not with the live key.")
    return passed(name, f"Key {key} is enabled, and the restored data keep it.")


async def _quota(change: RdsChange, world: World) -> Preflight:
    name = "Quota"
    answer = await world.aws.call("rds", "describe_account_attributes", region=change.target.region)
    quotas = {
        one["AccountQuotaName"]: (int(one["Used"]), int(one["Max"]))
        for one in answer.get("AccountQuotas") or []
    }
    needed = {"DBInstances": 1, "AllocatedStorage": int(change.live.get("AllocatedStorage") or 0)}
    full = [
        f"{quota} {used} of {most}, {needed[quota]} more needed"
        for quota, (used, most) in sorted(quotas.items())
        if quota in needed and used + needed[quota] > most
    ]
    if change.new in change.found.by_name:
        return passed(name, "The restored instance is there already.")
    if full:
        return blocked(name, f"{listed(full)}. Ask AWS for more.")
    used, most = quotas.get("DBInstances", (0, 0))
    return passed(name, f"{used} of {most} instances are used; one more is needed.")


async def _proxies(change: RdsChange, world: World) -> Preflight:
    """A proxy is bound to the instance and not to its name."""
    name, region = "RDS Proxy", change.target.region
    pages = await world.aws.pages("rds", "describe_db_proxies", region=region)
    proxies = [one["DBProxyName"] for page in pages for one in page.get("DBProxies") or []]
    through = []
    for proxy in proxies:
        answer = await world.aws.call(
            "rds", "describe_db_proxy_targets", region=region, DBProxyName=proxy
        )
        targets = {one.get("RdsResourceId") for one in answer.get("Targets") or []}
        if targets & {change.target.instance, change.live.get("DbiResourceId")}:
            through.append(proxy)
    if through:
        return blocked(
            name,
            f"{listed(through)} would go on to the old instance, whatever it is called. Take the "
            "instance out of the proxy first, and register the new one afterwards.",
        )
    return passed(name, f"No proxy leads to {change.target.instance}.")


async def _deployments(change: RdsChange, world: World) -> Preflight:
    name, arn = "Blue/green deployment", change.live["DBInstanceArn"]
    pages = await world.aws.pages(
        "rds", "describe_blue_green_deployments", region=change.target.region
    )
    busy = [
        str(one.get("BlueGreenDeploymentName"))
        for page in pages
        for one in page.get("BlueGreenDeployments") or []
        if arn in {one.get("Source"), one.get("Target")}
        and one.get("Status") != "SWITCHOVER_COMPLETED"
    ]
    if busy:
        return blocked(name, f"{listed(busy)} holds the instance: RDS does not rename it. End it.")
    return passed(name, "None holds the instance.")


async def _unknown(name: str, check: Awaitable[Preflight]) -> Preflight:
    """A warning where AWS does not answer the question: unknown is not passed."""
    try:
        return await check
    except (PermanentError, TemporaryError) as error:
        return warned(name, f"Not checked. {error.what[:_LONGEST_REASON]}")
