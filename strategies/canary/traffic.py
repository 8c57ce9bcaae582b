"""How much of the traffic a canary gets, and the change that gives it none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from bot.clouds.kubernetes.objects import Cluster, Kind, Manifest
from bot.clouds.kubernetes.workloads import annotations_of
from bot.core.errors import ConfigurationError
from strategies.canary.target import GatewayApiCanary, IstioCanary, NginxCanary, PairCanary
from strategies.kubernetes.fields import FieldChange

# Routes without the canary: pure functions over the rules of a route object.


@dataclass(frozen=True, kw_only=True)
class Split:
    """What the routes give the canary, and the routes that give it nothing."""

    routes: list[Manifest]
    share: float
    """The largest part of any route's traffic, between 0 and 1."""
    found: bool
    """Any route names the canary."""
    exclusive: bool
    """Some route leads to nothing but the canary."""


@dataclass(frozen=True, kw_only=True)
class _Dialect:
    """How one kind of route names and weighs its destinations."""

    is_canary: Callable[[Manifest], bool]
    is_stable: Callable[[Manifest], bool]
    to_stable: Callable[[Manifest], None]
    """Point a destination at the stable side instead, in place."""
    weight: Callable[[Manifest, int], int]
    """Of a destination, given how many there are."""
    full: int
    """The weight of a stable destination that would otherwise leave all at zero."""


def gateway_rules(rules: Sequence[Manifest], stable: str, canary: str) -> Split:
    """HTTPRoute rules; an unset weight is 1 (Gateway API, ``BackendRef``)."""

    def leads_to(name: str) -> Callable[[Manifest], bool]:
        return lambda ref: ref.get("name") == name and ref.get("kind", "Service") == "Service"

    dialect = _Dialect(
        is_canary=leads_to(canary),
        is_stable=leads_to(stable),
        to_stable=lambda ref: ref.update(name=stable),
        weight=lambda ref, _: int(ref.get("weight", 1)),
        full=1,
    )
    return _without_canary(rules, "backendRefs", dialect)


def istio_routes(routes: Sequence[Manifest], target: IstioCanary) -> Split:
    """Routes of a VirtualService; a lone destination gets all, else an unset weight is 0."""
    dialect = _Dialect(
        is_canary=lambda one: _is(one, target.canary_host, target.canary_subset, target.namespace),
        is_stable=lambda one: _is(one, target.stable_host, target.stable_subset, target.namespace),
        to_stable=lambda one: _send_to_stable(one, target),
        weight=lambda one, count: 100 if count == 1 else int(one.get("weight", 0)),
        full=100,
    )
    return _without_canary(routes, "route", dialect)


def _is(one: Manifest, host: str, subset: str | None, namespace: str) -> bool:
    destination = one.get("destination") or {}
    names = {host, *(f"{host}.{namespace}{end}" for end in ("", ".svc", ".svc.cluster.local"))}
    return destination.get("host") in names and destination.get("subset") == subset


def _send_to_stable(one: Manifest, target: IstioCanary) -> None:
    destination = one["destination"]
    destination["host"] = target.stable_host
    destination.pop("subset", None)
    if target.stable_subset is not None:
        destination["subset"] = target.stable_subset


def _without_canary(routes: Sequence[Manifest], key: str, dialect: _Dialect) -> Split:
    changed: list[Any] = json.loads(json.dumps(list(routes)))
    share, found, exclusive = 0.0, False, False
    for route in changed:
        destinations = route.get(key) or []
        canaries = [one for one in destinations if dialect.is_canary(one)]
        if not canaries:
            continue
        found = True
        count = len(destinations)
        total = sum(dialect.weight(one, count) for one in destinations)
        mine = sum(dialect.weight(one, count) for one in canaries)
        stables = [one for one in destinations if dialect.is_stable(one)]
        if total and mine and not stables:
            exclusive = True
            for one in canaries:
                dialect.to_stable(one)
            continue
        share = max(share, mine / total if total else 0.0)
        if not mine:
            continue
        for one in canaries:
            one["weight"] = 0
        if mine == total:
            # With all weights at zero every request is refused.
            stables[0]["weight"] = dialect.full
    return Split(routes=changed, share=share, found=found, exclusive=exclusive)


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
