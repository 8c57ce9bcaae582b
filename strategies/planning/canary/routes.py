"""Routes without the canary: pure functions over the rules of a route object."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.config.targets.canary import IstioCanary
from bot.ports.cluster import Manifest


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
