"""Rolling a canary back: the bad release serves only a part of the users."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import AnyHttpUrl, Field

from bot.catalog.target import Target
from bot.catalog.types import Duration, Namespace


class AnyCanary(Target):
    """What all ways to split the traffic have in common."""

    strategy: Literal["canary"]
    traffic: str
    namespace: Namespace
    full_replicas: int | None = Field(default=None, ge=1)
    """So many ready pods of the stable release can carry all traffic; default: as many as it is
    meant to have, and what its autoscaler would give it for all traffic."""
    drain_timeout: Duration = timedelta(seconds=60)
    """How long open connections to the canary are waited for."""


class _Pair(AnyCanary):
    stable: str
    """Deployment of the good release."""
    canary: str
    """Deployment of the bad one."""


class ReplicasCanary(_Pair):
    """One Service selects the pods of both: their number is the weight."""

    traffic: Literal["replicas"]


class NginxCanary(_Pair):
    """An Ingress with ingress-nginx's canary annotations."""

    traffic: Literal["nginx"]
    ingress: str
    """Name of the canary's Ingress."""


class GatewayApiCanary(_Pair):
    """An HTTPRoute of the Gateway API."""

    traffic: Literal["gateway-api"]
    route: str
    """Name of the HTTPRoute."""
    stable_service: str
    """Service in front of the stable pods."""
    canary_service: str
    """Service in front of the canary's pods."""


class IstioCanary(_Pair):
    """A VirtualService of Istio, by hosts or by subsets of one host."""

    traffic: Literal["istio"]
    virtual_service: str
    """Name of the VirtualService."""
    stable_host: str
    """Destination host of the stable side."""
    canary_host: str
    """Destination host of the canary."""
    stable_subset: str | None = None
    """Its subset, where hosts are the same."""
    canary_subset: str | None = None
    """Its subset, where hosts are the same."""


class ArgoRolloutsCanary(AnyCanary):
    """A Rollout of Argo Rollouts, whose controller is told to abort."""

    traffic: Literal["argo-rollouts"]
    rollout: str
    """Name of the Rollout."""


class FlaggerCanary(AnyCanary):
    """A Canary of Flagger, which is told to roll back through its rollback gate."""

    traffic: Literal["flagger"]
    canary: str
    """Name of the Canary."""
    gate: AnyHttpUrl | None = None
    """Base address of the service that keeps the gate (Flagger's load tester); default: that of
    the Canary's own ``rollback`` webhook."""


PairCanary: TypeAlias = ReplicasCanary | NginxCanary | GatewayApiCanary | IstioCanary
"""The bot changes the traffic itself."""
CanaryTarget: TypeAlias = Annotated[
    ArgoRolloutsCanary
    | FlaggerCanary
    | GatewayApiCanary
    | IstioCanary
    | NginxCanary
    | ReplicasCanary,
    Field(discriminator="traffic"),
]
"""One way to send no more traffic to a canary; ``traffic`` tells which."""
