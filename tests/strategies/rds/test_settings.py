"""Settings of an RDS instance: what is passed on with a restore, and what afterwards."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from bot.core.values import Facts
from strategies.database.rds_checks import RdsChange, beside, wanted
from strategies.database.rds_instances import wait_command
from strategies.database.rds_settings import modify_arguments, restore_arguments, settings_of

DESCRIBED: dict[str, Any] = {
    "AllocatedStorage": 100,
    "AvailabilityZone": "eu-central-1a",
    "DBInstanceClass": "db.t4g.medium",
    "Engine": "mysql",
    "Iops": 3000,
    "MultiAZ": False,
    "OptionGroupMemberships": [{"OptionGroupName": "audit"}],
    "StorageThroughput": 125,
    "StorageType": "gp3",
}


def test_by_hand_one_waits_as_long_as_the_bot_although_a_waiter_gives_up_after_half_an_hour() -> (
    None
):
    wait = "aws --region eu-central-1 rds wait db-instance-available --db-instance-identifier shop"
    assert wait_command("eu-central-1", "shop", 1800) == wait
    assert wait_command("eu-central-1", "shop", 5400) == f"for n in 1 2 3; do {wait} && break; done"


def test_performance_is_passed_on_only_where_rds_lets_one_say_it() -> None:
    assert "Iops" not in settings_of(DESCRIBED)  # gp3 below 400 GiB has its base performance
    large = settings_of({**DESCRIBED, "AllocatedStorage": 400})
    assert (large["Iops"], large["StorageThroughput"]) == (3000, 125)
    provisioned = settings_of({**DESCRIBED, "StorageType": "io2"})
    assert provisioned["Iops"] == 3000
    assert "StorageThroughput" not in provisioned
    assert "Iops" in settings_of({**DESCRIBED, "Engine": "sqlserver-se"})


def test_one_zone_is_kept_and_several_are_left_to_rds_with_default_groups_unnamed() -> None:
    assert settings_of(DESCRIBED)["AvailabilityZone"] == "eu-central-1a"
    several = {**DESCRIBED, "MultiAZ": True}
    assert "AvailabilityZone" not in settings_of(several)
    assert settings_of(DESCRIBED)["OptionGroupName"] == "audit"
    default = {**DESCRIBED, "OptionGroupMemberships": [{"OptionGroupName": "default:mysql-8-0"}]}
    assert "OptionGroupName" not in settings_of(default)


def test_a_restore_is_told_of_several_zones_and_of_the_groups_that_rds_would_set_to_default() -> (
    None
):
    described = {
        **DESCRIBED,
        "MultiAZ": True,
        "DBParameterGroups": [{"DBParameterGroupName": "shop-mysql"}],
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-shop"}],
        "DBSubnetGroup": {"DBSubnetGroupName": "shop-private"},
    }
    told = restore_arguments(settings_of(described))
    assert told["MultiAZ"] is True
    assert told["DBParameterGroupName"] == "shop-mysql"
    assert told["OptionGroupName"] == "audit"
    assert told["VpcSecurityGroupIds"] == ["sg-shop"]
    assert told["DBSubnetGroupName"] == "shop-private"


def test_what_a_restore_is_not_told_is_modified_afterwards_with_what_belongs_to_it() -> None:
    wanted: Facts = {
        **settings_of(DESCRIBED),
        "Port": 3307,
        "EnableCloudwatchLogsExports": ["error", "slowquery"],
        "MonitoringInterval": 60,
        "MonitoringRoleArn": "arn:aws:iam::123456789012:role/monitoring",
        "EnablePerformanceInsights": True,
    }
    assert "MonitoringInterval" not in restore_arguments(wanted)
    missing = {name: wanted[name] for name in ("Port", "MonitoringInterval")}
    missing["EnableCloudwatchLogsExports"] = wanted["EnableCloudwatchLogsExports"]
    found = {**DESCRIBED, "EnabledCloudwatchLogsExports": ["error", "audit"]}
    assert modify_arguments(missing, wanted, found) == {
        "DBPortNumber": 3307,
        "MonitoringInterval": 60,
        "MonitoringRoleArn": "arn:aws:iam::123456789012:role/monitoring",
        "CloudwatchLogsExportConfiguration": {
            "EnableLogTypes": ["slowquery"],
            "DisableLogTypes": ["audit"],
        },
    }


def test_names_stay_within_what_rds_accepts() -> None:
    name = beside("a" * 40 + "-" + "b" * 22, "restored-0123abcd")
    assert len(name) <= 63
    assert "--" not in beside("a" * 44 + "-bbbbbbbbbb", "restored-0123abcd")


def test_every_right_of_the_steps_is_asked_for_on_every_instance_and_role() -> None:
    role = "arn:aws:iam::123456789012:role"
    place = "arn:aws:rds:eu-central-1:123456789012:db"
    live = {
        "DBInstanceArn": f"{place}:shop-db",
        "AssociatedRoles": [{"RoleArn": f"{role}/s3-import", "FeatureName": "s3Import"}],
        "MonitoringRoleArn": f"{role}/rds-monitoring",
    }
    point = SimpleNamespace(document={}, snapshot="")
    change = SimpleNamespace(live=live, point=point, new="shop-db-new", aside="shop-db-before")
    rights = wanted(cast(RdsChange, change))
    assert rights["rds:AddRoleToDBInstance"] == f"{place}:shop-db-new"
    assert rights["iam:PassRole"] == (f"{role}/rds-monitoring", f"{role}/s3-import")
    assert rights["rds:ModifyDBInstance"] == tuple(
        f"{place}:{name}" for name in ("shop-db-new", "shop-db", "shop-db-before")
    )
