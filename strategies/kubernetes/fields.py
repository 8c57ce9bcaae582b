"""Changes of single fields of an object, as JSON Patch (RFC 6902)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import JsonValue

from bot.clouds.kubernetes.objects import DEPLOYMENTS, Cluster, Kind, Manifest
from bot.clouds.kubernetes.ownership import last_writer
from bot.clouds.kubernetes.workloads import name_of
from bot.core.errors import PermanentError, TemporaryError, WorldMovedError
from bot.core.values import Value, spoken
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Step
from strategies.common.waiting import Objects, Pending, wait_until
from strategies.kubernetes.pods import await_release
from strategies.kubernetes.workload import RolloutParams, has_template, moved, named, read, the_one


class FieldChange(Value):
    """One field, before and after; None means that it is not there."""

    path: tuple[str, ...]
    old: JsonValue
    new: JsonValue

    @property
    def undone(self) -> FieldChange:
        """The way back."""
        return FieldChange(path=self.path, old=self.new, new=self.old)


def field_at(manifest: Manifest, path: Sequence[str]) -> Any:
    """The field's value; None where it, or anything above it, is not there."""
    value: Any = manifest
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def operations(manifest: Manifest, fields: Sequence[FieldChange]) -> list[Manifest]:
    """The JSON Patch that makes the changes, without any test."""
    made: list[Manifest] = []
    seen: set[tuple[str, ...]] = set()
    for field in fields:
        for end in range(1, len(field.path)):
            parent = field.path[:end]
            if field_at(manifest, parent) is None and field.new is not None and parent not in seen:
                seen.add(parent)
                made.append({"op": "add", "path": _pointer(parent), "value": {}})
        if field.new is not None:
            made.append({"op": "add", "path": _pointer(field.path), "value": field.new})
        elif field_at(manifest, field.path) is not None:
            made.append({"op": "remove", "path": _pointer(field.path)})
    return made


def guarded(manifest: Manifest, fields: Sequence[FieldChange]) -> list[Manifest]:
    """The same behind tests of the old values, for a command that is pasted later."""
    tests = [
        {"op": "test", "path": _pointer(field.path), "value": field.old}
        for field in fields
        if field.old is not None
    ]
    return [*tests, *operations(manifest, fields)]


def with_fields(manifest: Manifest, fields: Sequence[FieldChange]) -> Manifest:
    """The object as it is after the changes."""
    changed: Manifest = json.loads(json.dumps(manifest))
    for field in fields:
        place = changed
        for key in field.path[:-1]:
            place = place.setdefault(key, {})
        place.pop(field.path[-1], None)
        if field.new is not None:
            place[field.path[-1]] = field.new
    return changed


def _pointer(path: Sequence[str]) -> str:
    """RFC 6901."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)


# Writing onto exactly the version of an object that was looked at.

_ATTEMPTS = 5
"""The object may change elsewhere, as its status does, between reading and writing."""


async def edit(
    cluster: Cluster,
    kind: Kind,
    namespace: str,
    name: str,
    change: Callable[[Manifest], Sequence[Manifest]],
) -> None:
    """Patch the object with what ``change`` says of it as it is now; nothing when it says nothing.

    The patch tests ``metadata.resourceVersion``. When another writer was faster, the object is
    read and judged again. Raises what ``change`` raises, and TemporaryError naming who writes so
    often that there is no coming between.
    """
    for _ in range(_ATTEMPTS):
        manifest = await cluster.get(kind, namespace, name)
        operations = change(manifest)
        if not operations:
            return
        version = manifest["metadata"]["resourceVersion"]
        guard: Manifest = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
        try:
            await cluster.patch(kind, namespace, name, [guard, *operations])
        except WorldMovedError:
            continue
        return
    raise TemporaryError(
        f"{name} in namespace {namespace} changes faster than it can be written, last by "
        f"{last_writer(manifest)}.",
        "Find out what writes to it so often.",
    )


# Step: set fields of one object, all together.


class SetFieldsParams(Value):
    """Which fields of which object, and how to tell that it has worked."""

    namespace: str
    kind: Kind
    name: str
    what: str
    """The object in words: ``Ingress checkout-canary``."""
    fields: tuple[FieldChange, ...]
    done: str
    """A sentence for the end."""
    accepted: bool = False
    """Wait until every gateway in ``status.parents`` has accepted this generation."""
    release: str = ""
    url: str = ""
    """The version endpoint, which must name the release afterwards; empty when nobody asks."""
    patience_seconds: float


class SetFields:
    """Writes all fields in one patch, guarded by the version of the object that was looked at."""

    name = "set-fields"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the fields' values."""
        params = SetFieldsParams.model_validate(step.action.params)
        return _observed(params, await _read(params, world))

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError, naming who, when a field has neither of the known values."""
        params = SetFieldsParams.model_validate(step.action.params)

        def change(manifest: Manifest) -> list[Manifest]:
            state = _observed(params, manifest).state
            if state is StepState.OTHER:
                raise _moved(params, manifest)
            return [] if state is StepState.AFTER else operations(manifest, params.fields)

        await edit(world.cluster, params.kind, params.namespace, params.name, change)

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError when gateways or users do not follow in time."""
        params = SetFieldsParams.model_validate(step.action.params)
        await wait_until(
            world,
            [named(params.kind, params.namespace, params.name)],
            lambda objects: _check(params, objects),
            patience_seconds=params.patience_seconds,
        )
        if not params.url:
            return params.done
        trouble = await await_release(
            world, params.url, params.release, patience_seconds=params.patience_seconds
        )
        if trouble:
            raise PermanentError(
                f"{params.what} was changed, but after {spoken(params.patience_seconds)} "
                f"{trouble}.",
                "Look at the controller that reads it, and at proxies and DNS before it.",
            )
        return f"{params.done} {params.url} answers with {params.release}."


async def _read(params: SetFieldsParams, world: World) -> Manifest:
    return await world.cluster.get(params.kind, params.namespace, params.name)


def _observed(params: SetFieldsParams, manifest: Manifest) -> Observed:
    values = [field_at(manifest, field.path) for field in params.fields]
    pairs = list(zip(params.fields, values, strict=True))
    facts = {".".join(field.path): value for field, value in pairs}
    if all(value == field.new for field, value in pairs):
        summary = f"{params.what} is as it is to be."
        return Observed(state=StepState.AFTER, summary=summary, facts=facts)
    strange = [field for field, value in pairs if value not in (field.old, field.new)]
    if not strange:
        summary = f"{params.what} is as it was planned upon."
        return Observed(state=StepState.BEFORE, summary=summary, facts=facts)
    path = strange[0].path
    return Observed(
        state=StepState.OTHER,
        summary=f"{'.'.join(path)} of {params.what} has a value that the plan does not know.",
        facts=facts,
        changed_by=last_writer(manifest, *path),
    )


def _moved(params: SetFieldsParams, manifest: Manifest) -> WorldMovedError:
    observed = _observed(params, manifest)
    by = observed.changed_by or last_writer(manifest, *params.fields[0].path)
    return WorldMovedError(f"{params.what} was changed by {by}.", "Plan again.")


def _check(params: SetFieldsParams, objects: Objects) -> Pending | str:
    manifest = the_one(objects[0], params.what)
    if _observed(params, manifest).state is not StepState.AFTER:
        raise _moved(params, manifest)
    return _acceptance(params, manifest) if params.accepted else params.done


def _acceptance(params: SetFieldsParams, manifest: Manifest) -> Pending | str:
    """What the gateways say of this generation (Gateway API, ``RouteParentStatus``)."""
    generation = manifest["metadata"].get("generation", 0)
    parents = (manifest.get("status") or {}).get("parents") or []
    waiting = Pending(summary=f"no gateway has taken generation {generation} of {params.what} yet")
    if not parents:
        return waiting
    for parent in parents:
        conditions = {one["type"]: one for one in parent.get("conditions") or []}
        found = conditions.get("Accepted") or {}
        if found.get("observedGeneration", 0) < generation:
            return waiting
        if found.get("status") == "False":
            raise PermanentError(
                f"A gateway refuses {params.what}: {found.get('reason')} {found.get('message')}.",
                "Mend the route by hand; the old one is in the plan.",
            )
    return params.done


# Step: resume a paused Deployment, or pause it again when that is taken back.


class SetPausedParams(RolloutParams):
    """The template guards against resuming what was not approved."""

    paused: bool


def paused_operations(paused: bool) -> list[Manifest]:
    """The JSON Patch without its guard."""
    return [{"op": "add", "path": "/spec/paused", "value": paused}]


class SetPaused:
    """Sets ``spec.paused``."""

    name = "set-paused"

    async def observe(self, step: Step, world: World) -> Observed:
        """By ``spec.paused``; OTHER when the template is not the approved one."""
        params = SetPausedParams.model_validate(step.action.params)
        deployment = await read(params, world)
        paused = _is_paused(deployment)
        summary = f"Deployment {name_of(deployment)} is {'' if paused else 'not '}paused."
        if paused == params.paused:
            return Observed(state=StepState.AFTER, summary=summary)
        if has_template(deployment, params.template):
            return Observed(state=StepState.BEFORE, summary=summary)
        return Observed(
            state=StepState.OTHER,
            summary=f"{summary} Its template is not that of {params.release}.",
            changed_by=last_writer(deployment, "spec", "template"),
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError when the template is not the approved one."""
        params = SetPausedParams.model_validate(step.action.params)
        deployment = await read(params, world)
        if not has_template(deployment, params.template):
            raise moved(params, deployment)
        template = deployment["spec"]["template"]
        guard: Manifest = {"op": "test", "path": "/spec/template", "value": template}
        operations = [guard, *paused_operations(params.paused)]
        try:
            await world.cluster.patch(DEPLOYMENTS, params.namespace, params.workload, operations)
        except WorldMovedError as error:
            raise moved(params, await read(params, world)) from error

    async def confirm(self, step: Step, world: World) -> str:
        """Raises WorldMovedError when it was set otherwise meanwhile."""
        params = SetPausedParams.model_validate(step.action.params)
        deployment = await read(params, world)
        if _is_paused(deployment) != params.paused:
            raise WorldMovedError(
                f"Deployment {params.workload} was "
                f"{'resumed' if params.paused else 'paused again'} by "
                f"{last_writer(deployment, 'spec')}.",
                "Plan again.",
            )
        return f"The rollout of {params.workload} is {'paused' if params.paused else 'resumed'}."


def _is_paused(deployment: Manifest) -> bool:
    return bool(deployment["spec"].get("paused"))
