"""The settings of a DB instance, as they are passed on to a restored one.

A restore makes an instance with default groups and a single zone unless it is told otherwise, and
some settings can be set only afterwards. Names are those of the RDS API's parameters.
Source: Amazon RDS API reference, RestoreDBInstanceFromDBSnapshot, RestoreDBInstanceToPointInTime
and ModifyDBInstance.
"""

from __future__ import annotations

from typing import Any

from bot.domain.values import Facts
from strategies.planning.rds.instances import Description

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
