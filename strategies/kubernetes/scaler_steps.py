"""The steps that keep KEDA from scaling while the bot does, and let it go on afterwards."""

from __future__ import annotations

from bot.domain.plan import Step, StepSpec
from strategies.commands import kubectl
from strategies.kubernetes.scalers import PAUSED, SCALED_OBJECTS, Scaler
from strategies.steps.set_fields import FieldChange, SetFields, SetFieldsParams

_PATIENCE_SECONDS = 30.0


def pause_step(namespace: str, scaler: Scaler) -> Step:
    """KEDA starts pods again from zero as soon as one of its triggers is active."""
    return _step(namespace, scaler, pause=True)


def resume_step(namespace: str, scaler: Scaler) -> Step:
    """Take the pause away again."""
    return _step(namespace, scaler, pause=False)


def _step(namespace: str, scaler: Scaler, *, pause: bool) -> Step:
    mark = f"{PAUSED}=true" if pause else f"{PAUSED}-"
    return Step(
        title=f"{'Pause' if pause else 'Resume'} {scaler}",
        action=_spec(namespace, scaler, pause=pause),
        expects={"paused": not pause},
        inverse=_spec(namespace, scaler, pause=not pause),
        command=kubectl(namespace, "annotate", "--overwrite", "scaledobject", scaler.name, mark),
        estimate_seconds=1.0,
    )


def _spec(namespace: str, scaler: Scaler, *, pause: bool) -> StepSpec:
    field = FieldChange(
        path=("metadata", "annotations", PAUSED),
        old=None if pause else "true",
        new="true" if pause else None,
    )
    params = SetFieldsParams(
        namespace=namespace,
        kind=SCALED_OBJECTS,
        name=scaler.name,
        what=f"ScaledObject {scaler.name}",
        fields=(field,),
        done=f"ScaledObject {scaler.name} is {'paused' if pause else 'active again'}.",
        patience_seconds=_PATIENCE_SECONDS,
    )
    return StepSpec(kind=SetFields.name, params=params.model_dump(mode="json"))
