"""The steps of a restore of an RDS instance."""

from __future__ import annotations

import json
from typing import Any

from bot.domain.plan import Milestone, Step, StepSpec
from bot.domain.values import Facts, Value
from strategies.commands import aws_cli
from strategies.planning.database.writer_steps import start_steps, stop_steps
from strategies.planning.rds.instances import Which
from strategies.planning.rds.restore import RdsChange
from strategies.planning.rds.settings import afterwards, restore_arguments
from strategies.steps.rds_adjust import RdsAdjust, RdsAdjustParams
from strategies.steps.rds_compare import RdsCompare, RdsCompareParams, RdsVerify, RdsVerifyParams
from strategies.steps.rds_rename import RdsRename, RdsRenameParams
from strategies.steps.rds_restore import RdsKeep, RdsKeepParams, RdsRestore, RdsRestoreParams

RESTORE_SECONDS = 2400.0
ADJUST_SECONDS = 120.0
COMPARE_SECONDS = 60.0
RENAME_SECONDS = 600.0
"""RDS makes a new endpoint's name known in about ten minutes."""
_POLL_SECONDS = 15.0


def rds_steps(change: RdsChange) -> tuple[Step, ...]:
    """Restore beside, mend, compare, rename the old one aside and the new one in, look."""
    patience = change.target.stop_timeout.total_seconds()
    stops = stop_steps(change.writers, patience=patience)
    starts = start_steps(change.writers, patience=patience)
    first = change.target.stop_writers == "before-restore"
    swap = _rename_in(change)
    if not starts:
        swap = swap.model_copy(update={"milestone": Milestone.SWITCHED})
    verify = _verify(change)
    last = verify.model_copy(update={"milestone": Milestone.DRAINED})
    if starts:
        title = f"Verify that {change.target.instance} stayed with the application running"
        last = last.model_copy(update={"title": title})
    return (
        *(stops if first else ()),
        _restore(change),
        _adjust(change),
        _compare(change),
        *(() if first else stops),
        _rename_aside(change),
        swap,
        *((verify, *starts) if starts else ()),
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
        command=f"{_input(target.region, verb, params.arguments)}\n"
        f"{_wait(target.region, change.new)}",
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
        command=f"{_input(target.region, 'modify-db-instance', modify)}\n"
        f"{_wait(target.region, change.new)}",
        estimate_seconds=ADJUST_SECONDS,
    )


def _compare(change: RdsChange) -> Step:
    target = change.target
    params = RdsCompareParams(
        region=target.region,
        instance=target.instance,
        source=change.source,
        token=change.token,
        settings=change.settings,
        engine=change.engine,
        sql=change.sql,
    )
    return Step(
        title=f"Compare {change.new} with {target.instance}: settings, rows, checks",
        action=_spec(RdsCompare.name, params),
        expects={"settings": change.settings},
        inverse=None,
        command=_describe(target.region, change.new),
        estimate_seconds=COMPARE_SECONDS,
        changes=False,
    )


def _rename_aside(change: RdsChange) -> Step:
    return _rename(
        change,
        change.source,
        change.target.instance,
        change.aside,
        title=f"Rename {change.target.instance} to {change.aside}; it is kept",
    )


def _rename_in(change: RdsChange) -> Step:
    return _rename(
        change,
        Which(token=change.token),
        change.new,
        change.target.instance,
        title=f"Rename {change.new} to {change.target.instance}: its endpoint is the known one",
    )


def _rename(change: RdsChange, which: Which, old: str, new: str, *, title: str) -> Step:
    target = change.target
    params = RdsRenameParams(
        region=target.region,
        which=which,
        old=old,
        new=new,
        serves=new == target.instance,
        patience_seconds=target.rename_timeout.total_seconds(),
        interval_seconds=_POLL_SECONDS,
    )
    back = params.model_copy(update={"old": new, "new": old, "serves": old == target.instance})
    return Step(
        title=title,
        action=_spec(RdsRename.name, params),
        expects={"name": old},
        inverse=_spec(RdsRename.name, back, _rename_command(target.region, new, old)),
        command=_rename_command(target.region, old, new),
        estimate_seconds=RENAME_SECONDS,
    )


def _verify(change: RdsChange) -> Step:
    target = change.target
    params = RdsVerifyParams(
        region=target.region, instance=target.instance, token=change.token, sql=change.sql
    )
    return Step(
        title=f"Verify that {target.instance} is the restored instance",
        action=_spec(RdsVerify.name, params),
        expects={"restore": change.token},
        inverse=None,
        command=_describe(target.region, target.instance),
        estimate_seconds=5.0,
        changes=False,
    )


def _keep(change: RdsChange) -> StepSpec:
    params = RdsKeepParams(region=change.target.region, token=change.token)
    return _spec(RdsKeep.name, params, f"# {change.new} is kept; delete it when unneeded")


def _rename_command(region: str, old: str, new: str) -> str:
    call = aws_cli(
        region,
        *("rds", "modify-db-instance", "--apply-immediately"),
        *("--db-instance-identifier", old, "--new-db-instance-identifier", new),
    )
    # The waiter gives up on a name that does not exist yet.
    seen = _describe(region, new)
    return f"{call}\nuntil {seen} >/dev/null 2>&1; do sleep 10; done\n{_wait(region, new)}"


def _describe(region: str, name: str) -> str:
    return aws_cli(region, "rds", "describe-db-instances", "--db-instance-identifier", name)


def _wait(region: str, name: str) -> str:
    return aws_cli(region, "rds", "wait", "db-instance-available", "--db-instance-identifier", name)


def _input(region: str, verb: str, arguments: Any) -> str:
    text = json.dumps(arguments, separators=(",", ":"), sort_keys=True)
    return aws_cli(region, "rds", verb, "--cli-input-json", text)


def _spec(kind: str, params: Value, command: str = "") -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"), command=command)
