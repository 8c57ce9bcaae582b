"""What a recreation changes, and what the API server would make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from bot.config.targets.recreate import RecreateTarget
from bot.domain.ownership import FIELD_MANAGER
from bot.domain.plan import Preflight
from bot.domain.revisions import bare_template
from bot.domain.values import Facts
from bot.domain.workloads import ready_names
from bot.errors import FieldsOwnedError, PermanentError, TemporaryError
from bot.ports.cluster import DEPLOYMENTS, Manifest
from bot.ports.world import World
from strategies.kubernetes.leftovers import without_leftovers
from strategies.kubernetes.scalers import Scalers
from strategies.planning.recreate.sources import Source
from strategies.preflights.dry_run import NAME as DRY_RUN
from strategies.preflights.dry_run import check_patch
from strategies.preflights.verdicts import blocked, passed, warned
from strategies.steps.revert_template import revert_operations
from strategies.steps.rollout import RolloutParams, portable_annotations

_OWNERS = "Field owners"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the write would lead to, found out by dry runs."""

    template: Facts
    """The pod template in the end."""
    applied_template: Facts
    """The one between applying and taking leftovers away."""
    managers: tuple[str, ...]
    preflights: tuple[Preflight, ...]


@dataclass(frozen=True, kw_only=True)
class RecreateChange:
    """From the live template to an old one, by way of no pods at all."""

    service: ServiceEntry
    target: RecreateTarget
    deployment: Manifest
    pods: Sequence[Manifest]
    source: Source
    scalers: Scalers
    outcome: Outcome
    from_release: str
    to_release: str

    @property
    def old_template(self) -> Facts:
        """What is live now."""
        return bare_template(self.deployment["spec"]["template"])

    @property
    def old(self) -> RolloutParams:
        """The Deployment with the template that is live now."""
        return self._with(self.old_template, self.from_release)

    @property
    def new(self) -> RolloutParams:
        """The Deployment with the template that it gets."""
        return self._with(self.outcome.template, self.to_release)

    def _with(self, template: Facts, release: str) -> RolloutParams:
        return RolloutParams(
            namespace=self.target.namespace,
            workload=self.target.deployment,
            template=template,
            release=release,
        )

    @property
    def recorded(self) -> int:
        """How many pods there are to be now."""
        return int(self.deployment["spec"].get("replicas", 1))

    @property
    def restored(self) -> int:
        """How many there are to be afterwards: an autoscaler never leaves zero by itself."""
        return max(self.recorded, self.scalers.minimum)

    @property
    def served_before(self) -> bool:
        """Whether any pod is ready now."""
        return bool(ready_names(self.pods))


async def outcome_of(
    world: World, target: RecreateTarget, deployment: Manifest, source: Source
) -> Outcome:
    """Try the write with ``dryRun=All``; nothing is stored."""
    if source.manifest is None:
        return await _reverted(world, target, deployment, source)
    try:
        return await _applied(world, target, deployment, source.manifest)
    except (PermanentError, TemporaryError) as error:
        # Where it cannot tell, a step would get stuck; the other preflights still count.
        refused = blocked(DRY_RUN, f"The API server would refuse the manifest. {error}")
        return Outcome(
            template=source.template,
            applied_template=source.template,
            managers=(),
            preflights=(refused,),
        )


async def _reverted(
    world: World, target: RecreateTarget, deployment: Manifest, source: Source
) -> Outcome:
    operations = revert_operations(
        deployment,
        deployment["spec"]["template"],
        source.template,
        portable_annotations(source.replica_set or {"metadata": {}}),
    )
    checked = await check_patch(
        world.cluster, DEPLOYMENTS, target.namespace, target.deployment, operations
    )
    return Outcome(
        template=source.template,
        applied_template=source.template,
        managers=(),
        preflights=(checked,),
    )


async def _applied(
    world: World, target: RecreateTarget, deployment: Manifest, manifest: Manifest
) -> Outcome:
    cluster, where = world.cluster, (DEPLOYMENTS, target.namespace, target.deployment)
    try:
        await cluster.apply(*where, manifest, dry_run=True)
        owners: tuple[str, ...] = ()
    except FieldsOwnedError as error:
        owners = error.managers
    applied = await cluster.apply(*where, manifest, dry_run=True, force=True)
    pruned = without_leftovers(applied)
    operations: list[Manifest] = [
        {"op": "test", "path": "/spec/template", "value": deployment["spec"]["template"]},
        {"op": "replace", "path": "/spec/template", "value": pruned},
    ]
    final = await cluster.patch(*where, operations, dry_run=True)
    return Outcome(
        template=bare_template(final["spec"]["template"]),
        applied_template=bare_template(applied["spec"]["template"]),
        managers=owners,
        preflights=(
            passed(DRY_RUN, "The API server accepts the manifest."),
            _check_owners(owners),
        ),
    )


def _check_owners(owners: tuple[str, ...]) -> Preflight:
    others = [owner for owner in owners if owner != FIELD_MANAGER]
    if not others:
        return passed(_OWNERS, "No field that the manifest changes belongs to another manager.")
    return warned(
        _OWNERS,
        f"The manifest takes fields over that {', '.join(others)} owns: whoever releases with it "
        "next must apply with --force-conflicts, or by the bot's name.",
    )
