"""The shop's database as an RDS instance with every setting that a restore would lose."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.ec2.models import ec2_backends

from bot.catalog.service import ServiceEntry
from bot.engine.world import World
from bot.incident.plan import Plan, Step
from strategies.registry import strategy
from tests.strategies.elbv2_aws import ACCOUNT, REGION
from tests.strategies.rds.region import PresentClock, Region
from tests.strategies.running import run_step

MONITORING = f"arn:aws:iam::{ACCOUNT}:role/rds-monitoring"
RESTORE, ADJUST, COMPARE, ASIDE, SWAP, VERIFY = range(6)


@dataclass(kw_only=True)
class RdsShop:
    """Instance shop-db with two snapshots, and the bot's view of it."""

    region: Region
    world: World
    clock: PresentClock
    key: str
    changes: dict[str, Any] = field(default_factory=dict)
    """Of the catalog's entry."""

    @property
    def service(self) -> ServiceEntry:
        target = {
            "strategy": "database",
            "method": "rds",
            "region": REGION,
            "instance": "shop-db",
            "restore": {"snapshot": "latest"},
            **self.changes,
        }
        return ServiceEntry.model_validate({"rollback": [target]})

    @property
    def live(self) -> Any:
        """Moto's own record of the instance that has the live name."""
        return self.region.backend.databases["shop-db"]

    async def plan(self, target: str | None = None, *, bad: frozenset[str] = frozenset()) -> Plan:
        return await strategy("database").plan(
            "shop", self.service, self.world, target=target, marked_bad=bad, known_good=()
        )

    async def run(self, step: Step) -> str:
        """What the pipeline does with one step."""
        return await run_step(step, self.world)

    async def run_all(self, plan: Plan) -> list[str]:
        return [await self.run(step) for step in plan.steps]

    async def undo(self, plan: Plan) -> list[str]:
        """The inverses of everything that changes, the last first."""
        steps = [step for step in reversed(plan.steps) if step.changes and step.inverse]
        return [await self.run(step.model_copy(update={"action": step.inverse})) for step in steps]


def open_shop(region: Region, world: World, clock: PresentClock, key: str) -> RdsShop:
    """As it was deployed."""
    region.reset()
    clock.meanwhile.append(region.pass_time)
    return RdsShop(region=region, world=world, clock=clock, key=key)


def deploy(region: Region, key: str) -> None:
    """Create it as a team would have done it, a month ago."""
    rds = region.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName="shop16", DBParameterGroupFamily="postgres16", Description="shop"
    )
    rds.create_db_subnet_group(
        DBSubnetGroupName="shop-subnets", DBSubnetGroupDescription="shop", SubnetIds=_subnets()
    )
    rds.create_db_instance(
        DBInstanceIdentifier="shop-db",
        Engine="postgres",
        EngineVersion="16.4",
        DBInstanceClass="db.m6g.large",
        AllocatedStorage=500,
        MaxAllocatedStorage=1000,
        StorageType="gp3",
        Iops=12000,
        StorageThroughput=500,
        StorageEncrypted=True,
        KmsKeyId=key,
        MasterUsername="root",
        MasterUserPassword="for-moto-only",
        MultiAZ=True,
        Port=5433,
        DBSubnetGroupName="shop-subnets",
        DBParameterGroupName="shop16",
        VpcSecurityGroupIds=["sg-2", "sg-1"],
        BackupRetentionPeriod=7,
        PreferredBackupWindow="01:00-02:00",
        PreferredMaintenanceWindow="sun:03:00-sun:04:00",
        DeletionProtection=True,
        EnableIAMDatabaseAuthentication=True,
        EnableCloudwatchLogsExports=["postgresql"],
        CACertificateIdentifier="rds-ca-rsa2048-g1",
        CopyTagsToSnapshot=True,
        PubliclyAccessible=False,
        MonitoringInterval=60,
        MonitoringRoleArn=MONITORING,
        Tags=[{"Key": "team", "Value": "shop"}],
    )
    rds.add_role_to_db_instance(
        DBInstanceIdentifier="shop-db",
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/s3-import",
        FeatureName="s3Import",
    )
    region.backend.databases["shop-db"].instance_create_time = _ago(days=30)
    region.backend.database_snapshots.clear()  # moto makes one with every instance
    for name, made_at in (("nightly", _ago(hours=9)), ("weekly", _ago(days=4))):
        make_snapshot(region, name, made_at)


def make_snapshot(region: Region, name: str, made_at: datetime) -> None:
    """A manual one."""
    region.client("rds").create_db_snapshot(
        DBSnapshotIdentifier=name, DBInstanceIdentifier="shop-db"
    )
    made = region.backend.database_snapshots[name]
    made.created = made.original_snapshot_create_time = made_at
    region.calls.clear()


def _ago(**ago: float) -> datetime:
    return datetime.now(UTC) - timedelta(**ago)


def _subnets() -> list[str]:
    """Of the account's default network; a client of EC2 would take a second to make."""
    backend = ec2_backends[ACCOUNT][REGION]
    vpc = backend.get_default_vpc()
    assert vpc is not None
    return [one.id for one in backend.describe_subnets(filters={"vpc-id": [vpc.id]})][:2]
