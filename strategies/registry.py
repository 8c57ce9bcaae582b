"""Which strategies and step kinds there are; an unknown name is an error."""

from __future__ import annotations

from bot.errors import ConfigurationError
from bot.ports.world import StepKind, Strategy
from strategies.blue_green import BlueGreen
from strategies.blue_green_elbv2 import BlueGreenElbv2
from strategies.canary import Canary
from strategies.composed import Composed
from strategies.database import Database
from strategies.feature_flag import FeatureFlag
from strategies.recreate import Recreate
from strategies.rolling import Rolling
from strategies.steps.abort_rollout import AbortRollout
from strategies.steps.apply_manifest import ApplyManifest
from strategies.steps.assess_database import AssessDatabase
from strategies.steps.await_drain import AwaitDrain
from strategies.steps.await_flag import AwaitFlag
from strategies.steps.await_no_pods import AwaitNoPods
from strategies.steps.await_rollout import AwaitRollout
from strategies.steps.check_feature import CheckFeature
from strategies.steps.check_ready import CheckReady
from strategies.steps.compare_restored import CompareRestored
from strategies.steps.delete_broken_pods import DeleteBrokenPods
from strategies.steps.elbv2_await_drain import Elbv2AwaitDrain
from strategies.steps.elbv2_await_healthy import Elbv2AwaitHealthy
from strategies.steps.elbv2_forward import Elbv2Forward
from strategies.steps.measure_downtime import MeasureDowntime
from strategies.steps.rds_adjust import RdsAdjust
from strategies.steps.rds_compare import RdsCompare, RdsVerify
from strategies.steps.rds_rename import RdsRename
from strategies.steps.rds_restore import RdsKeep, RdsRestore
from strategies.steps.restore_archive import KeepDatabase, RestoreArchive
from strategies.steps.revert_template import RevertTemplate
from strategies.steps.rollback_gate import RollbackGate
from strategies.steps.run_alembic import RunAlembic
from strategies.steps.run_migration import RunMigration
from strategies.steps.scale import Scale
from strategies.steps.scale_writers import ScaleWriters
from strategies.steps.set_fields import SetFields
from strategies.steps.set_paused import SetPaused
from strategies.steps.suspend_gitops import SuspendGitOps
from strategies.steps.swap_databases import SwapDatabases
from strategies.steps.switch_flag import SwitchFlag
from strategies.steps.switch_service import SwitchService
from strategies.steps.verify_database import VerifyDatabase
from strategies.steps.verify_pods import VerifyPods

STRATEGIES: dict[str, Strategy] = {
    one.name: one
    for one in (
        BlueGreen(),
        BlueGreenElbv2(),
        Database(),
        FeatureFlag(),
        Recreate(),
        Canary(),
        Rolling(),
    )
}
STEP_KINDS: dict[str, StepKind] = {
    one.name: one
    for one in (
        AbortRollout(),
        ApplyManifest(),
        AssessDatabase(),
        AwaitDrain(),
        AwaitFlag(),
        AwaitNoPods(),
        AwaitRollout(),
        CheckFeature(),
        CheckReady(),
        CompareRestored(),
        DeleteBrokenPods(),
        Elbv2AwaitDrain(),
        Elbv2AwaitHealthy(),
        Elbv2Forward(),
        KeepDatabase(),
        MeasureDowntime(),
        RdsAdjust(),
        RdsCompare(),
        RdsKeep(),
        RdsRename(),
        RdsRestore(),
        RdsVerify(),
        RestoreArchive(),
        RevertTemplate(),
        RollbackGate(),
        RunAlembic(),
        RunMigration(),
        Scale(),
        ScaleWriters(),
        SetFields(),
        SetPaused(),
        SuspendGitOps(),
        SwapDatabases(),
        SwitchFlag(),
        SwitchService(),
        VerifyDatabase(),
        VerifyPods(),
    )
}


def strategy(name: str) -> Strategy:
    """The strategy of this name, as in the catalog; raises ConfigurationError."""
    try:
        return STRATEGIES[name]
    except KeyError:
        raise ConfigurationError(
            f"There is no strategy “{name}”.", f"Known: {', '.join(sorted(STRATEGIES))}."
        ) from None


# A composed rollback looks its parts up here.
STRATEGIES[Composed.name] = Composed(strategy)


def step_kind(name: str) -> StepKind:
    """The step kind of this name, as in a plan; raises ConfigurationError."""
    try:
        return STEP_KINDS[name]
    except KeyError:
        raise ConfigurationError(
            f"There is no step kind “{name}”.",
            "The plan was made by another version of the bot: plan again.",
        ) from None
