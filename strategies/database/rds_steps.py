"""Step: give a restored RDS instance the settings that a restore cannot pass on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.core.errors import PermanentError, TemporaryError, WorldMovedError
from bot.core.values import Facts, Value, spoken
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Step
from strategies.database.rds_instances import (
    RESTORED_TAG,
    SERVED_TAG,
    USABLE,
    Description,
    Instances,
    Which,
    await_instance,
    changed_by,
    list_instances,
    name_of,
    own_tags,
    pending_name,
    status_of,
    tags_of,
)
from strategies.database.rds_settings import (
    SqlComparison,
    differences,
    missing_roles,
    modifiable,
    modify_arguments,
    needs_reboot,
    same_rows,
    same_settings,
)
from strategies.database.server import require_all, run_checks


class RdsAdjustParams(Value):
    """Which instance, and what it must be like."""

    region: str
    token: str
    settings: Facts
    """By the API's names, as the live instance has them."""
    tags: dict[str, str]
    patience_seconds: float
    interval_seconds: float

    @property
    def which(self) -> Which:
        """The restored instance."""
        return Which(token=self.token)


class RdsAdjust:
    """Compares with what is wanted, modifies what differs, and reboots where RDS asks for it."""

    name = "rds-adjust"

    async def observe(self, step: Step, world: World) -> Observed:
        """BEFORE while a setting differs."""
        params = RdsAdjustParams.model_validate(step.action.params)
        found = (await list_instances(world, params.region)).find(params.which)
        if found is None:
            return Observed(
                state=StepState.OTHER,
                summary="The restored instance is gone.",
                changed_by=f"whoever deleted it or its tag {RESTORED_TAG}",
            )
        wrong = _wrong(params, found)
        if not wrong:
            summary = f"{name_of(found)} has the settings of the live instance."
            return Observed(state=StepState.AFTER, summary=summary)
        summary = f"{name_of(found)} differs in {', '.join(wrong)}."
        return Observed(state=StepState.BEFORE, summary=summary, facts={"differs": list(wrong)})

    async def act(self, step: Step, world: World) -> None:
        """Modify at once: nobody uses the instance yet."""
        params = RdsAdjustParams.model_validate(step.action.params)
        found = await self._settled(params, world)
        name = name_of(found)
        missing = modifiable(differences(params.settings, found))
        arguments = modify_arguments(missing, params.settings, found)
        if arguments:
            await world.aws.call(
                "rds",
                "modify_db_instance",
                region=params.region,
                DBInstanceIdentifier=name,
                ApplyImmediately=True,
                **arguments,
            )
        for role in missing_roles(params.settings, found):
            await world.aws.call(
                "rds",
                "add_role_to_db_instance",
                region=params.region,
                DBInstanceIdentifier=name,
                **role,
            )
        tags = _missing_tags(params, found)
        if tags:
            await world.aws.call(
                "rds",
                "add_tags_to_resource",
                region=params.region,
                ResourceName=found["DBInstanceArn"],
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            )
        found = await self._applied(params, world)
        if needs_reboot(found):
            await world.aws.call(
                "rds", "reboot_db_instance", region=params.region, DBInstanceIdentifier=name
            )

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError naming what RDS does not take over."""
        params = RdsAdjustParams.model_validate(step.action.params)
        found = await self._applied(params, world)
        start = world.clock.now()
        while needs_reboot(found):
            _in_time(params, start, world, "a parameter group still waits for a reboot")
            await world.clock.sleep(params.interval_seconds)
            found = await self._settled(params, world)
        return f"{name_of(found)} has {len(params.settings)} settings of the live instance."

    async def _applied(self, params: RdsAdjustParams, world: World) -> Description:
        """Once every wanted setting is there; a change shows some seconds after its call."""
        start = world.clock.now()
        while True:
            found = await self._settled(params, world)
            wrong = [name for name in _wrong(params, found) if name != _REBOOT]
            if not wrong:
                return found
            _in_time(params, start, world, f"it still differs in {', '.join(wrong)}")
            await world.clock.sleep(params.interval_seconds)

    @staticmethod
    async def _settled(params: RdsAdjustParams, world: World) -> Description:
        found = (await list_instances(world, params.region)).find(params.which)
        if found is None:
            raise WorldMovedError("The restored instance is gone.", "Plan again.")
        return await await_instance(
            world,
            params.region,
            params.which,
            name=name_of(found),
            patience=timedelta(seconds=params.patience_seconds),
            interval_seconds=params.interval_seconds,
        )


_REBOOT = "a reboot that is due"


def _wrong(params: RdsAdjustParams, found: Description) -> list[str]:
    wrong = list(modifiable(differences(params.settings, found)))
    wrong += ["tags"] if _missing_tags(params, found) else []
    return wrong + ([_REBOOT] if needs_reboot(found) else [])


def _missing_tags(params: RdsAdjustParams, found: Description) -> dict[str, str]:
    has = tags_of(found)
    return {key: value for key, value in own_tags(params.tags).items() if has.get(key) != value}


def _in_time(params: RdsAdjustParams, start: Any, world: World, what: str) -> None:
    if (world.clock.now() - start).total_seconds() >= params.patience_seconds:
        raise PermanentError(
            f"After {spoken(params.patience_seconds)} {what}.",
            "Mend it by hand in the RDS console; then plan again, which goes on from there.",
        )


# Steps: hold a restored RDS instance against the live one, and look at it in its place.


class RdsCompareParams(Value):
    """Which two, and what must be alike."""

    region: str
    instance: str
    source: Which
    token: str
    settings: Facts
    engine: str
    """Engine and version of the live instance."""
    sql: SqlComparison | None = None


class RdsCompare:
    """Compares settings, and rows where the catalog says how to connect; changes nothing."""

    name = "rds-compare"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER once the old instance has gone aside, else BEFORE."""
        params = RdsCompareParams.model_validate(step.action.params)
        live = (await list_instances(world, params.region)).by_name.get(params.instance)
        if live is None or not params.source.is_it(live):
            return Observed(state=StepState.AFTER, summary="The instances are swapped already.")
        return Observed(state=StepState.BEFORE, summary="The instances are to be compared.")

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError for other settings, far fewer rows, or a check that fails."""
        params = RdsCompareParams.model_validate(step.action.params)
        found = await list_instances(world, params.region)
        live, new = found.by_name.get(params.instance), found.find(Which(token=params.token))
        if live is None or not params.source.is_it(live):
            return "Compared before; the instances are swapped already."
        if new is None:
            raise WorldMovedError("The restored instance is gone.", "Plan again.")
        alike = same_settings(params.settings, params.engine, new)
        if params.sql is None:
            return f"{alike}. Rows were not compared: the catalog names no sql for this instance."
        return f"{alike}; {await same_rows(params.sql, live, new, world)}."


class RdsVerifyParams(Value):
    """Which instance must be reached by the name that applications know."""

    region: str
    instance: str
    token: str
    sql: SqlComparison | None = None


class RdsVerify:
    """Looks whether the restored instance has the live name, and asks its data."""

    name = "rds-verify"

    async def observe(self, step: Step, world: World) -> Observed:
        """BEFORE: it is asked anew each time."""
        return Observed(state=StepState.BEFORE, summary="The instance is to be asked.")

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises WorldMovedError when another instance has the name."""
        params = RdsVerifyParams.model_validate(step.action.params)
        live = (await list_instances(world, params.region)).by_name.get(params.instance)
        if live is None or not Which(token=params.token).is_it(live):
            raise WorldMovedError(
                f"{params.instance} is not the restored instance.",
                "Somebody has renamed instances: look at them in the RDS console.",
            )
        said = f"{name_of(live)} is the restored instance and is {status_of(live)}"
        if params.sql is None:
            return f"{said}; its data were not asked: the catalog names no sql."
        checked = await run_checks(params.sql.session(live), world, params.sql.checks)
        return f"{said}; {require_all(checked, 'The restored data are not sound')}."


# Step: give an RDS instance another name; its endpoint follows.

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
