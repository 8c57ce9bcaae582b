"""The steps of a restore of an RDS instance."""

from __future__ import annotations

from bot.domain.plan import Milestone, Step, StepSpec
from bot.domain.values import Facts, Value
from strategies.planning.database.writer_steps import start_steps, stop_steps
from strategies.planning.rds.commands import call_command, wait_command
from strategies.planning.rds.restore import RdsChange
from strategies.planning.rds.settings import afterwards, restore_arguments
from strategies.planning.rds.swap_steps import compare, rename_aside, rename_in, verify
from strategies.steps.rds_adjust import RdsAdjust, RdsAdjustParams
from strategies.steps.rds_restore import RdsKeep, RdsKeepParams, RdsRestore, RdsRestoreParams

RESTORE_SECONDS = 2400.0
ADJUST_SECONDS = 120.0
_POLL_SECONDS = 15.0


def rds_steps(change: RdsChange) -> tuple[Step, ...]:
    """Restore beside, mend, compare, rename the old one aside and the new one in, look."""
    patience = change.target.stop_timeout.total_seconds()
    stops = stop_steps(change.writers, patience=patience)
    starts = start_steps(change.writers, patience=patience)
    first = change.target.stop_writers == "before-restore"
    swap = rename_in(change)
    if not starts:
        swap = swap.model_copy(update={"milestone": Milestone.SWITCHED})
    looked = verify(change)
    last = looked.model_copy(update={"milestone": Milestone.DRAINED})
    if starts:
        title = f"Verify that {change.target.instance} stayed with the application running"
        last = last.model_copy(update={"title": title})
    return (
        *(stops if first else ()),
        _restore(change),
        _adjust(change),
        compare(change),
        *(() if first else stops),
        rename_aside(change),
        swap,
        *((looked, *starts) if starts else ()),
        last,
    )


def _restore(change: RdsChange) -> Step:
    point, target = change.point, change.target
    params = RdsRestoreParams(
        region=target.region,
        source=change.source,
        instance=target.instance,
        new=change.new,
        token=change.token,
        snapshot=point.snapshot,
        time="" if point.snapshot else point.at.isoformat(),
        settings=restore_arguments(change.settings),
        tags=change.tags,
        patience_seconds=target.restore_timeout.total_seconds(),
        interval_seconds=_POLL_SECONDS,
    )
    verb = params.operation.replace("_", "-")
    return Step(
        title=f"Restore {point.release} into the new instance {change.new}",
        action=_spec(RdsRestore.name, params),
        expects={"instance": target.instance, "source": change.source.model_dump(mode="json")},
        inverse=_keep(change),
        command=f"{call_command(target.region, verb, params.arguments)}\n"
        f"{wait_command(target.region, change.new, params.patience_seconds)}",
        estimate_seconds=RESTORE_SECONDS,
    )


def _adjust(change: RdsChange) -> Step:
    target = change.target
    params = RdsAdjustParams(
        region=target.region,
        token=change.token,
        settings=change.settings,
        tags=change.tags,
        patience_seconds=target.rename_timeout.total_seconds(),
        interval_seconds=_POLL_SECONDS,
    )
    rest = {
        name: value
        for name, value in afterwards(change.settings).items()
        if name != "AssociatedRoles"
    }
    modify: Facts = {"DBInstanceIdentifier": change.new, "ApplyImmediately": True, **rest}
    return Step(
        title=f"Give {change.new} the settings that a restore does not pass on",
        action=_spec(RdsAdjust.name, params),
        expects={"settings": change.settings},
        inverse=_keep(change),
        command=f"{call_command(target.region, 'modify-db-instance', modify)}\n"
        f"{wait_command(target.region, change.new, params.patience_seconds)}",
        estimate_seconds=ADJUST_SECONDS,
    )


def _keep(change: RdsChange) -> StepSpec:
    params = RdsKeepParams(region=change.target.region, token=change.token)
    return _spec(RdsKeep.name, params, f"# {change.new} is kept; delete it when unneeded")


def _spec(kind: str, params: Value, command: str = "") -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"), command=command)
