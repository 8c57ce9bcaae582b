"""The steps that put a restored RDS instance into the live one's place, and look at both."""

from __future__ import annotations

from bot.domain.plan import Step, StepSpec
from bot.domain.values import Facts, Value
from strategies.planning.rds.commands import describe_command, rename_command
from strategies.planning.rds.instances import Which
from strategies.planning.rds.restore import RdsChange
from strategies.steps.rds_compare import RdsCompare, RdsCompareParams, RdsVerify, RdsVerifyParams
from strategies.steps.rds_rename import RdsRename, RdsRenameParams

COMPARE_SECONDS = 60.0
RENAME_SECONDS = 600.0
"""RDS makes a new endpoint's name known in about ten minutes."""
_POLL_SECONDS = 15.0


def compare(change: RdsChange) -> Step:
    """Settings, and rows where the catalog says how to connect."""
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
    return _look(
        f"Compare {change.new} with {target.instance}: settings, rows, checks",
        RdsCompare.name,
        params,
        expects={"settings": change.settings},
        command=describe_command(target.region, change.new),
        seconds=COMPARE_SECONDS,
    )


def rename_aside(change: RdsChange) -> Step:
    """The live one leaves its name, and is kept."""
    return _rename(
        change,
        change.source,
        change.target.instance,
        change.aside,
        title=f"Rename {change.target.instance} to {change.aside}; it is kept",
    )


def rename_in(change: RdsChange) -> Step:
    """The restored one takes it."""
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
    seconds = params.patience_seconds
    back = params.model_copy(update={"old": new, "new": old, "serves": old == target.instance})
    return Step(
        title=title,
        action=_spec(RdsRename.name, params),
        expects={"name": old},
        inverse=_spec(RdsRename.name, back, rename_command(target.region, new, old, seconds)),
        command=rename_command(target.region, old, new, seconds),
        estimate_seconds=RENAME_SECONDS,
    )


def verify(change: RdsChange) -> Step:
    """Whether the name leads to the restored one, with sound data."""
    target = change.target
    params = RdsVerifyParams(
        region=target.region, instance=target.instance, token=change.token, sql=change.sql
    )
    return _look(
        f"Verify that {target.instance} is the restored instance",
        RdsVerify.name,
        params,
        expects={"restore": change.token},
        command=describe_command(target.region, target.instance),
        seconds=5.0,
    )


def _look(
    title: str, kind: str, params: Value, *, expects: Facts, command: str, seconds: float
) -> Step:
    """A step that changes nothing."""
    return Step(
        title=title,
        action=_spec(kind, params),
        expects=expects,
        inverse=None,
        command=command,
        estimate_seconds=seconds,
        changes=False,
    )


def _spec(kind: str, params: Value, command: str = "") -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"), command=command)
