"""The steps that keep KEDA from scaling while the bot does, and let it go on afterwards."""

from __future__ import annotations

from bot.domain.plan import Step, StepSpec
from bot.ports.cluster import Cluster
from strategies.commands import kubectl
from strategies.kubernetes.fields import FieldChange, operations
from strategies.kubernetes.scalers import PAUSED, SCALED_OBJECTS, Scaler, Scalers
from strategies.preflights.dry_run import Write
from strategies.steps.set_fields import SetFields, SetFieldsParams

_PATIENCE_SECONDS = 30.0


def pause_step(namespace: str, scaler: Scaler) -> Step:
    """KEDA starts pods again from zero as soon as one of its triggers is active."""
    return _step(namespace, scaler, pause=True)


def resume_step(namespace: str, scaler: Scaler) -> Step:
    """Take the pause away again."""
    return _step(namespace, scaler, pause=False)


async def pausing(cluster: Cluster, namespace: str, scalers: Scalers) -> tuple[Write, ...]:
    """What the pause sends to the API server, for a dry run; nothing where KEDA scales nothing."""
    scaler = scalers.scaled_object
    if scaler is None or scaler.paused:
        return ()
    manifest = await cluster.get(SCALED_OBJECTS, namespace, scaler.name)
    patch = tuple(operations(manifest, [_field(pause=True)]))
    return (Write(kind=SCALED_OBJECTS, namespace=namespace, name=scaler.name, operations=patch),)


def _step(namespace: str, scaler: Scaler, *, pause: bool) -> Step:
    return Step(
        title=f"{'Pause' if pause else 'Resume'} {scaler}",
        action=_spec(namespace, scaler, pause=pause),
        expects={"paused": not pause},
        inverse=_spec(namespace, scaler, pause=not pause),
        command=_command(namespace, scaler, pause=pause),
        estimate_seconds=1.0,
    )


def _command(namespace: str, scaler: Scaler, *, pause: bool) -> str:
    mark = f"{PAUSED}=true" if pause else f"{PAUSED}-"
    return kubectl(namespace, "annotate", "--overwrite", "scaledobject", scaler.name, mark)


def _field(*, pause: bool) -> FieldChange:
    return FieldChange(
        path=("metadata", "annotations", PAUSED),
        old=None if pause else "true",
        new="true" if pause else None,
    )


def _spec(namespace: str, scaler: Scaler, *, pause: bool) -> StepSpec:
    params = SetFieldsParams(
        namespace=namespace,
        kind=SCALED_OBJECTS,
        name=scaler.name,
        what=f"ScaledObject {scaler.name}",
        fields=(_field(pause=pause),),
        done=f"ScaledObject {scaler.name} is {'paused' if pause else 'active again'}.",
        patience_seconds=_PATIENCE_SECONDS,
    )
    return StepSpec(
        kind=SetFields.name,
        params=params.model_dump(mode="json"),
        command=_command(namespace, scaler, pause=pause),
    )
