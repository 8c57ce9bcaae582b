"""Step: give a restored RDS instance the settings that a restore cannot pass on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.domain.plan import Step
from bot.domain.values import Facts, Value, spoken
from bot.errors import PermanentError, WorldMovedError
from bot.ports.world import Observed, StepState, World
from strategies.planning.rds.differences import (
    differences,
    missing_roles,
    modifiable,
    modify_arguments,
    needs_reboot,
)
from strategies.planning.rds.instances import (
    RESTORED_TAG,
    Description,
    Which,
    await_instance,
    list_instances,
    name_of,
    own_tags,
    tags_of,
)


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
