"""Step: give an RDS instance another name; its endpoint follows."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.plan import Step
from bot.domain.values import Value
from bot.errors import PermanentError, TemporaryError, WorldMovedError
from bot.ports.world import Observed, StepState, World
from strategies.planning.rds.instances import (
    SERVED_TAG,
    USABLE,
    Description,
    Instances,
    Which,
    await_instance,
    changed_by,
    list_instances,
    name_of,
    pending_name,
    status_of,
    tags_of,
)

_BUSY = "InvalidDBInstanceState"
"""RDS's error code for an instance that is not available."""


class RdsRenameParams(Value):
    """Which instance, from which name to which."""

    region: str
    which: Which
    old: str
    new: str
    serves: bool
    """Whether applications connect to the new name."""
    patience_seconds: float
    interval_seconds: float


class RdsRename:
    """Looks for the instance by its identity, so that a half-done renaming is found again."""

    name = "rds-rename"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the name that it has now, or is about to get. Raises TemporaryError for no name."""
        params = RdsRenameParams.model_validate(step.action.params)
        found = await list_instances(world, params.region)
        state, summary = _state(params, found)
        by = ""
        if state is StepState.OTHER:
            by = await changed_by(world, params.region, params.old)
        return Observed(state=state, summary=summary, changed_by=by)

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError when it has another name, or the new one is taken."""
        params = RdsRenameParams.model_validate(step.action.params)
        found = await list_instances(world, params.region)
        state, summary = _state(params, found)
        if state is StepState.AFTER:
            return
        if state is StepState.OTHER:
            by = await changed_by(world, params.region, params.old)
            raise WorldMovedError(f"{summary} Changed by {by}.", "Plan again.")
        live = found.by_name[params.old]
        if status_of(live) not in USABLE:
            # RDS refuses it, for example during a backup.
            live = await self._await(params, params.old, world)
        if params.serves and params.which.token and SERVED_TAG not in tags_of(live):
            served = {"Key": SERVED_TAG, "Value": f"{world.clock.now():%Y-%m-%dT%H:%M:%SZ}"}
            await world.aws.call(
                "rds",
                "add_tags_to_resource",
                region=params.region,
                ResourceName=live["DBInstanceArn"],
                Tags=[served],
            )
        try:
            await world.aws.call(
                "rds",
                "modify_db_instance",
                region=params.region,
                DBInstanceIdentifier=params.old,
                NewDBInstanceIdentifier=params.new,
                ApplyImmediately=True,
            )
        except PermanentError as error:
            if _BUSY not in error.what:
                raise
            # It became busy since we looked, perhaps by a renaming of ours: look again.
            raise TemporaryError(error.what, f"Wait until {params.old} is available.") from error

    async def confirm(self, step: Step, world: World) -> str:
        """Waits until RDS shows the instance under the new name, ready to be connected to."""
        params = RdsRenameParams.model_validate(step.action.params)
        found = await self._await(params, params.new, world)
        at = (found.get("Endpoint") or {}).get("Address", "no endpoint")
        return f"The instance is called {params.new} now, at {at}."

    @staticmethod
    async def _await(params: RdsRenameParams, name: str, world: World) -> Description:
        return await await_instance(
            world,
            params.region,
            params.which,
            name=name,
            patience=timedelta(seconds=params.patience_seconds),
            interval_seconds=params.interval_seconds,
        )


def _state(params: RdsRenameParams, found: Instances) -> tuple[StepState, str]:
    one, taken = found.find(params.which), found.by_name.get(params.new)
    if taken is not None and not params.which.is_it(taken):
        return StepState.OTHER, f"Another instance is called {params.new}."
    if one is None and params.old not in found.by_name:
        # RDS may show it under neither name while it renames it; the executor looks again.
        raise TemporaryError(
            f"RDS shows no instance {params.old}, nor the same one as {params.new}.",
            "Look in the RDS console whether it is being renamed, or was deleted.",
        )
    if one is None:
        return StepState.OTHER, f"Another instance is called {params.old}."
    if params.new in {name_of(one), pending_name(one)}:
        return StepState.AFTER, f"The instance is called {params.new}, or is about to be."
    if name_of(one) == params.old:
        return StepState.BEFORE, f"The instance is called {params.old}."
    return StepState.OTHER, f"The instance is called {name_of(one)} instead of {params.old}."
