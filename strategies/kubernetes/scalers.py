"""What scales a Deployment besides people: a HorizontalPodAutoscaler, or KEDA by way of one."""

from __future__ import annotations

from bot.domain.plan import Preflight
from bot.domain.values import Value
from bot.domain.workloads import annotations_of, name_of, owner_of
from bot.errors import ForbiddenError, NotFoundError
from bot.ports.cluster import AUTOSCALERS, Cluster, Kind, Manifest
from strategies.preflights.scaling import AUTOSCALER
from strategies.preflights.verdicts import blocked, passed, warned

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
