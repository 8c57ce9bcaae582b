"""What scales a Deployment besides people: a HorizontalPodAutoscaler, or KEDA by way of one."""

from __future__ import annotations

from bot.clouds.kubernetes.objects import AUTOSCALERS, DISRUPTION_BUDGETS, Cluster, Kind, Manifest
from bot.clouds.kubernetes.rollouts import kind_of
from bot.clouds.kubernetes.workloads import annotations_of, labels_of, name_of, owner_of, selects
from bot.core.errors import ForbiddenError, NotFoundError
from bot.core.values import Value
from bot.incident.plan import Preflight, Step, StepSpec
from strategies.common.commands import kubectl
from strategies.common.preflights import blocked, passed, warned
from strategies.kubernetes.fields import FieldChange, SetFields, SetFieldsParams, operations
from strategies.kubernetes.preflights import Write

# What else decides how many pods there are: autoscalers and disruption budgets.

AUTOSCALER = "Autoscaler"
BUDGET = "Disruption budget"


async def check_autoscaler(cluster: Cluster, namespace: str, deployment: Manifest) -> Preflight:
    """Warns where an autoscaler has gone inactive at zero: it never scales up from there."""
    name = name_of(deployment)
    for autoscaler in await cluster.list(AUTOSCALERS, namespace):
        target = autoscaler["spec"]["scaleTargetRef"]
        if target.get("kind") != kind_of(deployment) or target.get("name") != name:
            continue
        spec = autoscaler["spec"]
        limits = f"{spec.get('minReplicas', 1)} to {spec['maxReplicas']} pods"
        if deployment["spec"].get("replicas", 1) == 0:
            return warned(
                AUTOSCALER,
                f"{name} stands at 0 replicas, where HorizontalPodAutoscaler "
                f"{name_of(autoscaler)} ({limits}) is inactive: it will not scale up by itself. "
                "Scale it up by hand.",
            )
        return passed(AUTOSCALER, f"{name_of(autoscaler)} keeps {name} at {limits}.")
    return passed(AUTOSCALER, f"No HorizontalPodAutoscaler scales {name}.")


async def check_budget(cluster: Cluster, namespace: str, deployment: Manifest) -> Preflight:
    """Names the disruption budget; it limits evictions, not a rollout or a switch."""
    labels = labels_of(deployment["spec"]["template"])
    for budget in await cluster.list(DISRUPTION_BUDGETS, namespace):
        if not selects(budget["spec"].get("selector"), labels):
            continue
        status = budget.get("status") or {}
        allowed = status.get("disruptionsAllowed", 0)
        return passed(
            BUDGET,
            f"{name_of(budget)} allows {allowed} evictions now; it does not slow the rollback.",
        )
    return passed(BUDGET, "None covers the target's pods.")


SCALED_OBJECTS = Kind(api_version="keda.sh/v1alpha1", plural="scaledobjects")
PAUSED = "autoscaling.keda.sh/paused"
"""While this annotation is ``true`` KEDA leaves the replicas alone (KEDA, “Pause autoscaling”)."""
_KEDA_MINIMUM, _KEDA_MAXIMUM = 0, 100


class Scaler(Value):
    """Who scales, and between which limits."""

    kind: str
    """``HorizontalPodAutoscaler`` or ``ScaledObject``."""
    name: str
    minimum: int
    maximum: int
    paused: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.minimum} to {self.maximum} pods)"

    @property
    def wakes_from_zero(self) -> bool:
        """KEDA does; so does an HPA whose minimum is 0. Any other HPA is inactive at zero."""
        return self.minimum == 0 or self.kind == "ScaledObject"


class Scalers(Value):
    """All that scales one Deployment."""

    autoscaler: Scaler | None = None
    scaled_object: Scaler | None = None
    hidden: str = ""
    """Name of the ScaledObject that owns the autoscaler and that the bot may not read."""

    @property
    def owner(self) -> Scaler | None:
        """Who decides in the end."""
        return self.scaled_object or self.autoscaler

    @property
    def minimum(self) -> int:
        """The fewest replicas that any of them allows while active."""
        return max((one.minimum for one in (self.autoscaler, self.scaled_object) if one), default=0)


async def find_scalers(cluster: Cluster, namespace: str, deployment: str) -> Scalers:
    """Look for autoscalers and KEDA objects whose target is the Deployment."""
    autoscaler = next(
        (
            one
            for one in await cluster.list(AUTOSCALERS, namespace)
            if _targets(one["spec"]["scaleTargetRef"], deployment)
        ),
        None,
    )
    owner = owner_of(autoscaler) if autoscaler else {}
    keda = str(owner["name"]) if owner.get("kind") == "ScaledObject" else ""
    try:
        objects = await cluster.list(SCALED_OBJECTS, namespace)
    except NotFoundError:
        objects = ()  # KEDA is not installed
    except ForbiddenError:
        return Scalers(autoscaler=autoscaler and _autoscaler(autoscaler), hidden=keda)
    found = next(
        (one for one in objects if _targets(one["spec"]["scaleTargetRef"], deployment)), None
    )
    return Scalers(
        autoscaler=_autoscaler(autoscaler) if autoscaler else None,
        scaled_object=_scaled_object(found) if found else None,
    )


def check_scalers(scalers: Scalers, deployment: str, *, restored: int | None) -> Preflight:
    """Says who scales and what the plan does about it; ``restored`` are the pods afterwards."""
    owner = scalers.owner
    if scalers.hidden:
        return blocked(
            AUTOSCALER,
            f"KEDA scales {deployment} by ScaledObject {scalers.hidden}, which the bot may not "
            "read: it would start pods again at once. Grant it with deploy/rbac.yaml.",
        )
    if owner is None:
        return passed(AUTOSCALER, f"Nothing scales {deployment} by itself.")
    kept = "" if restored is None else f" Afterwards it gets {restored} pods."
    if scalers.scaled_object is not None:
        does = "is paused already" if owner.paused else "is paused by a step of the plan"
        return warned(AUTOSCALER, f"{owner} scales {deployment} and {does}.{kept}")
    if owner.wakes_from_zero:
        return warned(
            AUTOSCALER,
            f"{owner} may scale {deployment} up from 0 while it is to be empty.{kept}",
        )
    return passed(AUTOSCALER, f"{owner} is inactive while {deployment} stands at 0.{kept}")


def _targets(reference: Manifest, deployment: str) -> bool:
    return (
        reference.get("kind", "Deployment") == "Deployment" and reference.get("name") == deployment
    )


def _autoscaler(manifest: Manifest) -> Scaler:
    spec = manifest["spec"]
    return Scaler(
        kind="HorizontalPodAutoscaler",
        name=name_of(manifest),
        minimum=spec.get("minReplicas", 1),
        maximum=spec["maxReplicas"],
    )


def _scaled_object(manifest: Manifest) -> Scaler:
    spec = manifest["spec"]
    return Scaler(
        kind="ScaledObject",
        name=name_of(manifest),
        minimum=spec.get("minReplicaCount", _KEDA_MINIMUM),
        maximum=spec.get("maxReplicaCount", _KEDA_MAXIMUM),
        paused=annotations_of(manifest).get(PAUSED) == "true",
    )


# The steps that keep KEDA from scaling while the bot does, and let it go on afterwards.

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
