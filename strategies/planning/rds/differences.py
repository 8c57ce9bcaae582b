"""What a restored DB instance still lacks, and the calls that mend it.

Source: Amazon RDS API reference, ModifyDBInstance.
"""

from __future__ import annotations

from typing import Any

from bot.domain.values import Facts
from strategies.planning.rds.instances import Description
from strategies.planning.rds.settings import settings_of

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
