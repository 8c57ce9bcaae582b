"""Step: set fields of one object, all together."""

from __future__ import annotations

from bot.domain.ownership import last_writer
from bot.domain.plan import Step
from bot.domain.values import Value, spoken
from bot.errors import PermanentError, WorldMovedError
from bot.ports.cluster import Kind, Manifest
from bot.ports.world import Observed, StepState, World
from strategies.kubernetes.editing import edit
from strategies.kubernetes.fields import FieldChange, field_at, operations
from strategies.kubernetes.probing import await_release
from strategies.kubernetes.selections import named, the_one
from strategies.waiting import Objects, Pending, wait_until


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
