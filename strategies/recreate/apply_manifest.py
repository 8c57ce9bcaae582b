"""Step: apply the old manifest of a Deployment."""

from __future__ import annotations

import json

from bot.clouds.kubernetes.objects import Manifest
from bot.core.errors import FieldsOwnedError, WorldMovedError
from bot.core.values import Facts
from bot.engine.world import Observed, World
from bot.incident.plan import Step
from strategies.common.waiting import Objects, Pending, wait_until
from strategies.kubernetes.workload import (
    RolloutParams,
    existing,
    has_template,
    moved,
    observed_by_template,
    read,
    selection,
    unseen,
)

_ATTEMPTS = 5
"""The Deployment's status may change between reading and writing."""


class ApplyManifestParams(RolloutParams):
    """The manifest and what becomes of the pod template; ``template`` is the end."""

    old_template: Facts
    applied_template: Facts
    """What the API server makes of it while fields of the bad release are left over."""
    manifest: Facts
    """Without ``spec.replicas``: how many pods there are is a step of its own."""
    managers: tuple[str, ...]
    """Who may own fields that are taken over, because they were named in the plan."""
    patience_seconds: float


class ApplyManifest:
    """Applies server-side, then takes away what the old release did not have."""

    name = "apply-manifest"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the live template."""
        params = ApplyManifestParams.model_validate(step.action.params)
        deployment = await read(params, world)
        return observed_by_template(
            params, deployment, params.old_template, params.applied_template
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError, naming who, when somebody else deployed or owns fields now."""
        params = ApplyManifestParams.model_validate(step.action.params)
        deployment = await read(params, world)
        if has_template(deployment, params.old_template):
            deployment = await _applied(params, deployment, world)
        if has_template(deployment, params.template):
            return
        if not has_template(deployment, params.applied_template):
            raise moved(params, deployment)
        template = deployment["spec"]["template"]
        operations: list[Manifest] = [
            {"op": "test", "path": "/spec/template", "value": template},
            {"op": "replace", "path": "/spec/template", "value": params.template},
        ]
        where = (params.resource, params.namespace, params.workload)
        try:
            await world.cluster.patch(*where, operations)
        except WorldMovedError as error:
            raise moved(params, await read(params, world)) from error

    async def confirm(self, step: Step, world: World) -> str:
        """Raises WorldMovedError when the template is replaced again meanwhile."""
        params = ApplyManifestParams.model_validate(step.action.params)

        def check(objects: Objects) -> Pending | str:
            done = f"The manifest of {params.release} is applied to {params.workload}."
            return unseen(existing(params, objects[0])) or done

        return await wait_until(
            world, [selection(params)], check, patience_seconds=params.patience_seconds
        )


async def _applied(params: ApplyManifestParams, deployment: Manifest, world: World) -> Manifest:
    """Apply onto exactly the version that was looked at; again when only its status changed."""
    where = (params.resource, params.namespace, params.workload)
    for attempt in range(_ATTEMPTS):
        manifest = _onto(params, deployment)
        try:
            await _refuse_strangers(params, manifest, world)
            return await world.cluster.apply(*where, manifest, force=True)
        except _StrangersError:
            raise
        except WorldMovedError:
            deployment = await read(params, world)
            if not has_template(deployment, params.old_template) or attempt == _ATTEMPTS - 1:
                raise moved(params, deployment) from None
    return deployment


class _StrangersError(WorldMovedError):
    """Somebody whom the plan did not name owns fields now."""


async def _refuse_strangers(params: ApplyManifestParams, manifest: Manifest, world: World) -> None:
    """Ask by a dry run whose fields would be taken over."""
    try:
        await world.cluster.apply(
            params.resource, params.namespace, params.workload, manifest, dry_run=True
        )
    except FieldsOwnedError as error:
        strangers = sorted(set(error.managers) - set(params.managers))
        if strangers:
            raise _StrangersError(
                f"Since the plan was made {', '.join(strangers)} took over fields of {params}.",
                "Find out what they changed, then plan again.",
            ) from error


def _onto(params: ApplyManifestParams, deployment: Manifest) -> Manifest:
    """The manifest for this version of the object and no other."""
    manifest: Manifest = json.loads(json.dumps(params.manifest))
    manifest["metadata"]["resourceVersion"] = deployment["metadata"]["resourceVersion"]
    return manifest
