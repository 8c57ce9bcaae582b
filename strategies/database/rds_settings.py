"""The settings of a DB instance, as they are passed on to a restored one.

A restore makes an instance with default groups and a single zone unless it is told otherwise, and
some settings can be set only afterwards. Names are those of the RDS API's parameters.
Source: Amazon RDS API reference, RestoreDBInstanceFromDBSnapshot, RestoreDBInstanceToPointInTime
and ModifyDBInstance.
"""

from __future__ import annotations

from typing import Any

from bot.core.errors import PermanentError, TemporaryError
from bot.core.values import Facts, Value
from bot.engine.world import World
from strategies.database.client import Session
from strategies.database.rds_instances import Description, name_of
from strategies.database.server import RowComparison, require_all, row_counts, run_checks
from strategies.database.target import DatabaseConnection, SqlCheck, VersionTable

_ALIKE = {
    "AllocatedStorage": "AllocatedStorage",
    "AutoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "BackupRetentionPeriod": "BackupRetentionPeriod",
    "CACertificateIdentifier": "CACertificateIdentifier",
    "CopyTagsToSnapshot": "CopyTagsToSnapshot",
    "DBInstanceClass": "DBInstanceClass",
    "DatabaseInsightsMode": "DatabaseInsightsMode",
    "DedicatedLogVolume": "DedicatedLogVolume",
    "DeletionProtection": "DeletionProtection",
    "EnableIAMDatabaseAuthentication": "IAMDatabaseAuthenticationEnabled",
    "MaxAllocatedStorage": "MaxAllocatedStorage",
    "MultiAZ": "MultiAZ",
    "NetworkType": "NetworkType",
    "PreferredBackupWindow": "PreferredBackupWindow",
    "PreferredMaintenanceWindow": "PreferredMaintenanceWindow",
    "PubliclyAccessible": "PubliclyAccessible",
    "StorageType": "StorageType",
}
"""Parameter → member of the description."""
_AFTERWARDS = {
    "AssociatedRoles",
    "BackupRetentionPeriod",
    "DatabaseInsightsMode",
    "EnablePerformanceInsights",
    "MaxAllocatedStorage",
    "MonitoringInterval",
    "MonitoringRoleArn",
    "PerformanceInsightsKMSKeyId",
    "PerformanceInsightsRetentionPeriod",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
}
"""What a restore cannot be told, or not by every version of the API."""
_GP3_FREE_GIB = {"oracle": 200, "sqlserver": 0}
_GP3_GIB = 400
"""Below this gp3 has its base performance, and RDS refuses to be told any."""


def settings_of(found: Description) -> Facts:
    """Everything that a restored instance must have as well; what is not set is left out."""
    settings: dict[str, Any] = {name: found.get(member) for name, member in _ALIKE.items()}
    settings |= _storage(found) | _network(found) | _groups(found) | _insights(found)
    settings |= _domain(found) | _secret(found)
    settings["EnableCloudwatchLogsExports"] = sorted(
        found.get("EnabledCloudwatchLogsExports") or []
    )
    settings["ProcessorFeatures"] = _ordered(found.get("ProcessorFeatures") or [], "Name")
    roles = [
        {"RoleArn": one["RoleArn"], "FeatureName": one.get("FeatureName", "")}
        for one in found.get("AssociatedRoles") or []
    ]
    settings["AssociatedRoles"] = _ordered(roles, "FeatureName")
    return {name: value for name, value in sorted(settings.items()) if value not in (None, "", [])}


def restore_arguments(settings: Facts) -> Facts:
    """What is passed on with the restore itself."""
    return {name: value for name, value in settings.items() if name not in _AFTERWARDS}


def afterwards(settings: Facts) -> Facts:
    """What is set when the restored instance is there."""
    return {name: value for name, value in settings.items() if name in _AFTERWARDS}


def _storage(found: Description) -> dict[str, Any]:
    """Performance where RDS lets one say it."""
    kind, engine = str(found.get("StorageType", "")), str(found.get("Engine", ""))
    least = next((gib for name, gib in _GP3_FREE_GIB.items() if engine.startswith(name)), _GP3_GIB)
    if kind == "gp3" and int(found.get("AllocatedStorage") or 0) < least:
        return {}
    if kind not in {"gp3", "io1", "io2"}:
        return {}
    throughput = found.get("StorageThroughput") if kind == "gp3" else None
    return {"Iops": found.get("Iops"), "StorageThroughput": throughput}


def _network(found: Description) -> dict[str, Any]:
    subnets = found.get("DBSubnetGroup") or {}
    port = (found.get("Endpoint") or {}).get("Port") or found.get("DbInstancePort")
    return {
        "DBSubnetGroupName": subnets.get("DBSubnetGroupName"),
        "Port": port or None,
        "VpcSecurityGroupIds": sorted(
            one["VpcSecurityGroupId"] for one in found.get("VpcSecurityGroups") or []
        ),
        # With several zones RDS chooses them itself, and refuses to be told one.
        "AvailabilityZone": None if found.get("MultiAZ") else found.get("AvailabilityZone"),
    }


def _groups(found: Description) -> dict[str, Any]:
    parameters = [one["DBParameterGroupName"] for one in found.get("DBParameterGroups") or []]
    options = [one["OptionGroupName"] for one in found.get("OptionGroupMemberships") or []]
    # A default group cannot be named; it is what one gets anyway.
    options = [name for name in options if not name.startswith("default:")]
    return {
        "DBParameterGroupName": parameters[0] if parameters else None,
        "OptionGroupName": options[0] if options else None,
    }


def _insights(found: Description) -> dict[str, Any]:
    interval = int(found.get("MonitoringInterval") or 0)
    insights: dict[str, Any] = {}
    if interval:
        insights = {
            "MonitoringInterval": interval,
            "MonitoringRoleArn": found.get("MonitoringRoleArn"),
        }
    if found.get("PerformanceInsightsEnabled"):
        insights["EnablePerformanceInsights"] = True
        insights["PerformanceInsightsKMSKeyId"] = found.get("PerformanceInsightsKMSKeyId")
        insights["PerformanceInsightsRetentionPeriod"] = found.get(
            "PerformanceInsightsRetentionPeriod"
        )
    return insights


def _domain(found: Description) -> dict[str, Any]:
    domains = found.get("DomainMemberships") or [{}]
    return {"Domain": domains[0].get("Domain"), "DomainIAMRoleName": domains[0].get("IAMRoleName")}


def _secret(found: Description) -> dict[str, Any]:
    secret = found.get("MasterUserSecret")
    if not secret:
        return {}
    return {"ManageMasterUserPassword": True, "MasterUserSecretKmsKeyId": secret.get("KmsKeyId")}


def _ordered(values: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return sorted(values, key=lambda one: str(one.get(key)))


# What a restored DB instance still lacks, and the calls that mend it.
#
# Source: Amazon RDS API reference, ModifyDBInstance.

_ONLY_AT_RESTORE = {"AvailabilityZone", "DBSubnetGroupName"}
_TOGETHER = (
    {"MonitoringInterval", "MonitoringRoleArn"},
    {"Domain", "DomainIAMRoleName"},
    {"Iops", "StorageThroughput", "StorageType", "AllocatedStorage"},
)
"""Parameters that RDS takes only with each other."""


def differences(wanted: Facts, found: Description) -> Facts:
    """Wanted settings that an instance does not have, pending ones not counted as had."""
    actual = settings_of(found)
    return {
        name: value
        for name, value in wanted.items()
        if actual.get(name) != value and not (name == "AllocatedStorage" and _grown(actual, value))
    }


def modifiable(missing: Facts) -> Facts:
    """The differences that can be mended without making the instance anew."""
    return {name: value for name, value in missing.items() if name not in _ONLY_AT_RESTORE}


def modify_arguments(missing: Facts, wanted: Facts, found: Description) -> dict[str, Any]:
    """The arguments of ``modify_db_instance`` that mend these differences; roles are not among
    them."""
    names = {name for name in missing if name != "AssociatedRoles"}
    for group in _TOGETHER:
        if names & group:
            names |= group & wanted.keys()
    arguments: dict[str, Any] = {name: wanted[name] for name in sorted(names)}
    if "Port" in arguments:
        arguments["DBPortNumber"] = arguments.pop("Port")
    if "EnableCloudwatchLogsExports" in arguments:
        logs = set(arguments.pop("EnableCloudwatchLogsExports"))
        now = set(found.get("EnabledCloudwatchLogsExports") or [])
        arguments["CloudwatchLogsExportConfiguration"] = {
            "EnableLogTypes": sorted(logs - now),
            "DisableLogTypes": sorted(now - logs),
        }
    return arguments


def missing_roles(wanted: Facts, found: Description) -> list[dict[str, Any]]:
    """IAM roles for features such as S3 import, which are added one by one."""
    has: Any = settings_of(found).get("AssociatedRoles") or []
    roles: Any = wanted.get("AssociatedRoles") or []
    return [role for role in roles if role not in has]


def needs_reboot(found: Description) -> bool:
    """Whether a parameter group waits for a reboot to be applied."""
    groups = found.get("DBParameterGroups") or []
    return any(one.get("ParameterApplyStatus") == "pending-reboot" for one in groups)


def _grown(actual: Facts, wanted: Any) -> bool:
    return int(str(actual.get("AllocatedStorage") or 0)) >= int(wanted)


# Holding a restored instance against the live one: settings, rows, checks.


class SqlComparison(Value):
    """What is asked of the databases in both."""

    database: str
    connection: DatabaseConnection
    checks: tuple[SqlCheck, ...]
    minimum_share: float

    def session(self, instance: Description) -> Session:
        """The database in this instance, at its own endpoint."""
        endpoint = instance.get("Endpoint") or {}
        place = {
            "PGHOST": str(endpoint.get("Address", "")),
            "PGPORT": str(endpoint.get("Port", "")),
        }
        environment = {**self.connection.environment, **place}
        connection = self.connection.model_copy(update={"environment": environment})
        return Session(database=self.database, connection=connection)


def same_settings(settings: Facts, engine: str, new: Description) -> str:
    """A sentence. Raises PermanentError naming what differs."""
    wrong = list(differences(settings, new))
    version = f"{new.get('Engine')} {new.get('EngineVersion')}"
    if str(new.get("Engine")) != engine.split(maxsplit=1)[0]:
        wrong.append("Engine")
    if wrong:
        raise PermanentError(
            f"{name_of(new)} is not as the live instance: {', '.join(wrong)}.",
            "Nothing was swapped. Mend it in the RDS console, then plan again.",
        )
    older = "" if version == engine else f", where the live instance runs {engine}"
    return f"{name_of(new)} has the same settings; it runs {version}{older}"


async def same_rows(sql: SqlComparison, live: Description, new: Description, world: World) -> str:
    """A sentence. Raises PermanentError for far fewer rows or a check that does not hold."""
    now, then = sql.session(live), sql.session(new)
    try:
        before = await row_counts(now, VersionTable(), world)
        after = await row_counts(then, VersionTable(), world)
        checked = await run_checks(then, world, sql.checks)
    except TemporaryError as error:
        raise TemporaryError(
            f"The databases cannot be compared. {error.what}",
            "Let the bot reach both endpoints, or leave sql out of the catalog.",
        ) from error
    rows = RowComparison(now=before, then=after)
    rows.require(sql.minimum_share, "Choose another point")
    said = require_all(checked, f"The data in {name_of(new)} are not sound")
    return f"{rows.tables}; {rows.sentence}; {said}"
