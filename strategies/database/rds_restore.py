"""Step: restore a snapshot or a moment into a new RDS instance beside the live one."""

from __future__ import annotations

from datetime import timedelta

from pydantic import JsonValue

from bot.core.errors import NotFoundError, WorldMovedError
from bot.core.values import Facts, Value
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Step
from strategies.common.aws import last_changed_by
from strategies.database.rds_instances import (
    RESTORED_TAG,
    Instances,
    Which,
    await_instance,
    changed_by,
    list_instances,
    name_of,
    own_tags,
    status_of,
    tags_of,
)


class RdsRestoreParams(Value):
    """From what, into which new instance, with which settings."""

    region: str
    source: Which
    instance: str
    """The live name."""
    new: str
    token: str
    """Marks the new instance as the one of this restore."""
    snapshot: str = ""
    """Empty for a restore to a moment."""
    time: str = ""
    """The moment, in ISO 8601."""
    settings: Facts
    tags: dict[str, str]
    patience_seconds: float
    interval_seconds: float

    @property
    def operation(self) -> str:
        """By boto3's name."""
        if self.snapshot:
            return "restore_db_instance_from_db_snapshot"
        return "restore_db_instance_to_point_in_time"

    @property
    def which(self) -> Which:
        """The new instance."""
        return Which(token=self.token)

    @property
    def arguments(self) -> Facts:
        """Of the call."""
        tags = {**own_tags(self.tags), RESTORED_TAG: self.token}
        named: list[JsonValue] = [{"Key": key, "Value": value} for key, value in tags.items()]
        where: Facts
        if self.snapshot:
            where = {"DBInstanceIdentifier": self.new, "DBSnapshotIdentifier": self.snapshot}
        else:
            where = {
                "TargetDBInstanceIdentifier": self.new,
                "SourceDBInstanceIdentifier": self.instance,
                "RestoreTime": self.time,
            }
        return {**where, **self.settings, "Tags": named}


class RdsRestore:
    """A tag on the new instance tells a restore that was begun before, also after a restart."""

    name = "rds-restore"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the instances' identities and tags."""
        params = RdsRestoreParams.model_validate(step.action.params)
        found = await list_instances(world, params.region)
        new = found.find(params.which)
        if new is not None:
            summary = f"{name_of(new)} was made by this restore and is {status_of(new)}."
            return Observed(state=StepState.AFTER, summary=summary)
        trouble, by = await _moved(params, found, world)
        if trouble:
            return Observed(state=StepState.OTHER, summary=trouble, changed_by=by)
        return Observed(state=StepState.BEFORE, summary=f"There is no {params.new} yet.")

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError when the source is another one or gone."""
        params = RdsRestoreParams.model_validate(step.action.params)
        found = await list_instances(world, params.region)
        if found.find(params.which) is not None:
            return
        trouble, by = await _moved(params, found, world)
        if trouble:
            raise WorldMovedError(f"{trouble} Changed by {by}.", "Plan again.")
        await world.aws.call("rds", params.operation, region=params.region, **params.arguments)

    async def confirm(self, step: Step, world: World) -> str:
        """Waits, for hours where need be. Raises PermanentError when RDS gets no further."""
        params = RdsRestoreParams.model_validate(step.action.params)
        new = (await list_instances(world, params.region)).find(params.which)
        taken = new is not None and name_of(new) == params.instance
        found = await await_instance(
            world,
            params.region,
            params.which,
            name=params.instance if taken else params.new,
            patience=timedelta(seconds=params.patience_seconds),
            interval_seconds=params.interval_seconds,
        )
        at = (found.get("Endpoint") or {}).get("Address", "no endpoint")
        return f"{name_of(found)} is {status_of(found)} at {at}."


async def _moved(params: RdsRestoreParams, found: Instances, world: World) -> tuple[str, str]:
    """What is not as it was decided upon, and who did it; empty when all is."""
    live = found.by_name.get(params.instance)
    if live is None or not params.source.is_it(live):
        by = await changed_by(world, params.region, params.instance)
        return f"Instance {params.instance} is not the one that was decided upon.", by
    if params.new in found.by_name:
        return f"There is an instance {params.new} that the bot did not make.", "somebody else"
    if not params.snapshot:
        return "", ""
    try:
        answer = await world.aws.call(
            "rds",
            "describe_db_snapshots",
            region=params.region,
            DBSnapshotIdentifier=params.snapshot,
        )
        states = [str(one.get("Status")) for one in answer.get("DBSnapshots") or []]
    except NotFoundError:
        states = []
    if not states:
        by = await last_changed_by(
            world,
            params.region,
            event="DeleteDBSnapshot",
            parameter="dBSnapshotIdentifier",
            value=params.snapshot,
        )
        return f"Snapshot {params.snapshot} is gone.", by
    if states != ["available"]:
        return f"Snapshot {params.snapshot} is {states[0]}.", "RDS or somebody else"
    return "", ""


class RdsKeepParams(Value):
    """Which one."""

    region: str
    token: str


class RdsKeep:
    """The inverse of a restore: the new instance stays, for people may need its rows."""

    name = "rds-keep"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER: there is nothing to do."""
        return Observed(state=StepState.AFTER, summary="The restored instance is kept.")

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Says what is left to a person."""
        params = RdsKeepParams.model_validate(step.action.params)
        which = Which(token=params.token)
        found = (await list_instances(world, params.region)).find(which)
        if found is None:
            return "The restored instance is gone; the bot did not delete it."
        tags = tags_of(found)
        return (
            f"The restored instance stays as {name_of(found)} and is paid for; delete it when "
            f"nobody needs it (tag {RESTORED_TAG}={tags[RESTORED_TAG]})."
        )
