"""How much of the traffic a canary gets, and the change that gives it none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from bot.config.targets.canary import (
    GatewayApiCanary,
    IstioCanary,
    NginxCanary,
    PairCanary,
)
from bot.domain.workloads import annotations_of
from bot.errors import ConfigurationError
from bot.ports.cluster import Cluster, Kind, Manifest
from strategies.kubernetes.fields import FieldChange
from strategies.planning.canary.routes import Split, gateway_rules, istio_routes

INGRESSES = Kind(api_version="networking.k8s.io/v1", plural="ingresses")
HTTP_ROUTES = Kind(api_version="gateway.networking.k8s.io/v1", plural="httproutes")
VIRTUAL_SERVICES = Kind(api_version="networking.istio.io/v1", plural="virtualservices")

_NGINX = "nginx.ingress.kubernetes.io/canary"
_BY_REQUEST = ("by-header", "by-header-value", "by-header-pattern", "by-cookie")
"""They beat the weight: who sends the header or cookie is served by the canary at weight 0 too."""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """The object that splits the traffic."""

    kind: Kind
    name: str
    what: str
    manifest: Manifest
    share: float
    """Part of the traffic that the canary gets, between 0 and 1."""
    fields: tuple[FieldChange, ...]
    """What has to be changed; empty when the canary gets nothing already."""
    always: str = ""
    """Whose requests the canary gets whatever its weight, in a clause."""
    accepted: bool = False
    """A gateway says in the object's status what it has taken."""


async def read_traffic(target: PairCanary, cluster: Cluster) -> Traffic | None:
    """The splitting object as it is; None where replicas are the weight.

    Raises ConfigurationError when it does not know the canary.
    """
    match target:
        case NginxCanary():
            return await _nginx(target, cluster)
        case GatewayApiCanary():
            return await _gateway(target, cluster)
        case IstioCanary():
            return await _istio(target, cluster)
        case _:
            return None


async def _nginx(target: NginxCanary, cluster: Cluster) -> Traffic:
    manifest = await cluster.get(INGRESSES, target.namespace, target.ingress)
    marks = annotations_of(manifest)
    if marks.get(_NGINX) != "true":
        raise ConfigurationError(
            f"Ingress {target.ingress} is not a canary: it lacks the annotation {_NGINX}.",
            "Name the canary's Ingress in rollback.yml, not the main one.",
        )
    weight, total = _number(marks, "weight", 0), _number(marks, "weight-total", 100)
    wanted: dict[str, str | None] = {f"{_NGINX}-weight": "0"}
    wanted |= {f"{_NGINX}-{name}": None for name in _BY_REQUEST}
    rules = [name for name in _BY_REQUEST if f"{_NGINX}-{name}" in marks]
    return Traffic(
        kind=INGRESSES,
        name=target.ingress,
        what=f"Ingress {target.ingress}",
        manifest=manifest,
        share=min(1.0, weight / total) if total else 0.0,
        fields=tuple(
            FieldChange(path=("metadata", "annotations", key), old=marks.get(key), new=new)
            for key, new in wanted.items()
            if marks.get(key) != new and not (new == "0" and weight == 0)
        ),
        always=f"canary-{', canary-'.join(rules)}" if rules else "",
    )


def _number(marks: Mapping[str, str], name: str, default: int) -> int:
    text = marks.get(f"{_NGINX}-{name}", "")
    return int(text) if text.isdigit() else default


async def _gateway(target: GatewayApiCanary, cluster: Cluster) -> Traffic:
    manifest = await cluster.get(HTTP_ROUTES, target.namespace, target.route)
    split = gateway_rules(
        manifest["spec"].get("rules") or [], target.stable_service, target.canary_service
    )
    if not split.found:
        raise _unknown(f"HTTPRoute {target.route}", f"Service {target.canary_service}")
    return Traffic(
        kind=HTTP_ROUTES,
        name=target.route,
        what=f"HTTPRoute {target.route}",
        manifest=manifest,
        share=split.share,
        fields=_changed(manifest, {"rules": split}),
        always="rules that lead to the canary only" if split.exclusive else "",
        accepted=True,
    )


async def _istio(target: IstioCanary, cluster: Cluster) -> Traffic:
    manifest = await cluster.get(VIRTUAL_SERVICES, target.namespace, target.virtual_service)
    spec = manifest["spec"]
    splits = {
        protocol: istio_routes(spec[protocol], target)
        for protocol in ("http", "tcp", "tls")
        if spec.get(protocol)
    }
    if not any(split.found for split in splits.values()):
        raise _unknown(f"VirtualService {target.virtual_service}", target.canary_host)
    return Traffic(
        kind=VIRTUAL_SERVICES,
        name=target.virtual_service,
        what=f"VirtualService {target.virtual_service}",
        manifest=manifest,
        share=max(split.share for split in splits.values()),
        fields=_changed(manifest, splits),
        always=(
            "routes that lead to the canary only"
            if any(split.exclusive for split in splits.values())
            else ""
        ),
    )


def _changed(manifest: Manifest, splits: Mapping[str, Split]) -> tuple[FieldChange, ...]:
    found = []
    for name, split in splits.items():
        old: JsonValue = manifest["spec"][name]
        if split.routes != old:
            new: Any = split.routes
            found.append(FieldChange(path=("spec", name), old=old, new=new))
    return tuple(found)


def _unknown(what: str, canary: str) -> ConfigurationError:
    return ConfigurationError(
        f"{what} has no route to {canary}.", "Correct rollback.yml or the route."
    )
