"""Preflights of a restore of an RDS instance."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable
from dataclasses import dataclass

from bot.core.errors import PermanentError, TemporaryError
from bot.core.values import Facts, spoken
from bot.engine.world import World
from bot.incident.plan import Preflight
from strategies.common.aws import check_actions, check_ownership
from strategies.common.preflights import blocked, passed, warned
from strategies.database.client import listed
from strategies.database.rds_instances import (
    RESTORED_TAG,
    SERVED_TAG,
    USABLE,
    Description,
    Instances,
    Point,
    Points,
    Which,
    identity_of,
    name_of,
    shown,
    status_of,
    tags_of,
)
from strategies.database.rds_settings import SqlComparison, settings_of
from strategies.database.rds_target import RdsTarget
from strategies.database.writers import RecordedWriter, check_writers

# What is known about a restore before it is a plan.

_LONGEST_NAME = 63


@dataclass(frozen=True, kw_only=True)
class RdsChange:
    """From the live instance to one restored from a point."""

    target: RdsTarget
    live: Description
    found: Instances
    points: Points
    point: Point
    writers: tuple[RecordedWriter, ...]

    @property
    def source(self) -> Which:
        """The live instance, whatever it is called later."""
        return identity_of(self.live)

    @property
    def token(self) -> str:
        """The same for the same instance and point, so that a broken-off restore is found."""
        text = f"{self.source.model_dump_json()} {self.point.key}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def new(self) -> str:
        """Name of the instance that is restored into."""
        return beside(self.target.instance, f"restored-{self.token[:8]}")

    @property
    def aside(self) -> str:
        """Name under which the old instance is kept."""
        return beside(self.target.instance, f"before-{self.token[:8]}")

    @property
    def settings(self) -> Facts:
        """What the restored instance must be like."""
        return settings_of(self.live)

    @property
    def tags(self) -> dict[str, str]:
        """Of the live instance."""
        return tags_of(self.live)

    @property
    def engine(self) -> str:
        """Engine and version of the live instance."""
        return f"{self.live.get('Engine')} {self.live.get('EngineVersion')}"

    @property
    def sql(self) -> SqlComparison | None:
        """What is asked of the data, if the catalog says how."""
        sql = self.target.sql
        if sql is None:
            return None
        return SqlComparison(
            database=sql.database,
            connection=sql.connection,
            checks=sql.checks,
            minimum_share=sql.minimum_share,
        )


def live_release(live: Description) -> str:
    """The live data as a release: an instance is made anew by every restore."""
    created = identity_of(live).created
    return f"{live['DBInstanceIdentifier']} of {shown(created) if created else 'unknown'}"


def beside(instance: str, suffix: str) -> str:
    """A name that RDS accepts: 63 characters, no hyphen at the end and no two in a row."""
    return f"{instance[: _LONGEST_NAME - len(suffix) - 1].rstrip('-')}-{suffix}"


# What lies around an RDS instance: keys, quotas, and what does not follow its name.

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


_RESTORE = {True: "RestoreDBInstanceFromDBSnapshot", False: "RestoreDBInstanceToPointInTime"}


async def preflights(change: RdsChange, world: World) -> tuple[Preflight, ...]:
    """Everything that can be known before."""
    rights, around = await asyncio.gather(
        check_actions(world.aws, change.target.region, wanted(change)),
        check_surroundings(change, world),
    )
    return (
        *_point(change, world),
        _state(change),
        _names(change),
        *around,
        rights,
        check_ownership({name_of(change.live): change.tags}, f"instance {change.target.instance}"),
        *await check_writers(world, change.writers, connected=None),
    )


def wanted(change: RdsChange) -> dict[str, str | tuple[str, ...]]:
    """Rights that reading has not proven, each with the ARNs that it is needed for."""
    arn = str(change.live["DBInstanceArn"])
    place = arn.rsplit(":", 1)[0]
    new, aside = f"{place}:{change.new}", f"{place}:{change.aside}"
    source = str(change.point.document.get("DBSnapshotArn", arn))
    features = {str(one["RoleArn"]) for one in change.live.get("AssociatedRoles") or []}
    passed_on = features | ({str(change.live.get("MonitoringRoleArn") or "")} - {""})
    return {
        f"rds:{_RESTORE[bool(change.point.snapshot)]}": (source, new),
        "rds:AddTagsToResource": new,
        # Of the old one under either name: it is renamed, and back by an undo.
        "rds:ModifyDBInstance": (new, arn, aside),
        "rds:RebootDBInstance": new,
        **({"rds:AddRoleToDBInstance": new} if features else {}),
        **({"iam:PassRole": tuple(sorted(passed_on))} if passed_on else {}),
    }


def _point(change: RdsChange, world: World) -> tuple[Preflight, ...]:
    point, target = change.point, change.target
    age = (world.clock.now() - point.at).total_seconds()
    found = [
        (warned if age > target.max_age.total_seconds() else passed)(
            "Age of the restore point",
            f"The data are those of {shown(point.at)}, {spoken(max(0.0, age))} ago: all changes "
            "since then are lost.",
        ),
        _before_the_release(change),
    ]
    if point.snapshot:
        found += _snapshot(change)
    return tuple(found)


def _before_the_release(change: RdsChange) -> Preflight:
    name, since = "Before the release", change.points.bad_since
    if since is None:
        return warned(
            name,
            "No writer tells when the bad release began: make sure that the data of "
            f"{shown(change.point.at)} are from before it.",
        )
    if change.point.at >= since:
        return warned(
            name,
            f"A writer got its newest pod template {shown(since)}: these data may hold what the "
            "bad release wrote.",
        )
    return passed(
        name,
        f"{spoken((since - change.point.at).total_seconds())} before a writer got its newest pod "
        f"template ({shown(since)}).",
    )


def _snapshot(change: RdsChange) -> list[Preflight]:
    name, found, live = "Snapshot", change.point.document, change.live
    title = change.point.snapshot
    if not change.point.usable:
        return [blocked(name, f"{title} is {found.get('Status')}. Choose another one.")]
    version, now = str(found.get("EngineVersion", "")), str(live.get("EngineVersion", ""))
    if _major(version) != _major(now):
        return [
            blocked(
                name,
                f"{title} holds {found.get('Engine')} {version}, the live instance runs {now}: "
                "its parameter group does not fit. Restore by hand.",
            )
        ]
    made_of, mine = found.get("DbiResourceId"), live.get("DbiResourceId")
    if made_of and mine and made_of != mine:
        sentence = f"{title} was made of another instance that had this name before ({made_of})."
        return [warned(name, sentence)]
    if version != now:
        return [warned(name, f"{title} holds version {version}, the live instance runs {now}.")]
    return [passed(name, f"{title} is available and holds version {version}.")]


def _major(version: str) -> str:
    """PostgreSQL counts major versions by one number since 10, others by two."""
    parts = version.split(".")
    return parts[0] if parts[0].isdigit() and int(parts[0]) >= 10 else ".".join(parts[:2])


def _state(change: RdsChange) -> Preflight:
    name, live = "Instance", change.live
    status = status_of(live)
    if status not in USABLE:
        return blocked(
            name,
            f"{change.target.instance} is {status}: RDS renames only what is available. Wait, or "
            "start it.",
        )
    pending = sorted(set(live.get("PendingModifiedValues") or {}))
    if pending:
        return warned(
            name, f"Changes wait for the maintenance window and are not passed on: {pending}."
        )
    kept = "is protected from deletion" if live.get("DeletionProtection") else "can be deleted"
    sentence = f"{change.target.instance} is {status}; kept as {change.aside}, it {kept}."
    return (passed if live.get("DeletionProtection") else warned)(name, sentence)


def _names(change: RdsChange) -> Preflight:
    name = "Names"
    if change.aside in change.found.by_name:
        return blocked(name, f"There is an instance {change.aside}. Rename it first.")
    left = change.found.by_name.get(change.new)
    if left is None:
        return passed(name, f"New: {change.new}; the old one is kept as {change.aside}.")
    if tags_of(left).get(RESTORED_TAG) != change.token:
        return blocked(name, f"There is an instance {change.new}. Rename it first.")
    if SERVED_TAG in tags_of(left):
        return blocked(
            name,
            f"{change.new} was restored from here before and has served since: its data are no "
            "longer those of the restore point. Rename or delete it first.",
        )
    return passed(
        name, f"{change.new} was restored from here before and never served: it is used as it is."
    )
