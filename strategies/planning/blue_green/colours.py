"""The colours of a blue-green service, as they are now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.config.catalog import ServiceEntry
from bot.config.targets.blue_green import BlueGreenTarget
from bot.domain.ownership import last_write
from bot.domain.releases import release_of
from bot.domain.workloads import is_finished, labels_of, name_of, ready_names, selector_text
from bot.errors import ConfigurationError, NotFoundError, PermanentError
from bot.ports.cluster import DEPLOYMENTS, PODS, SERVICES, Manifest
from bot.ports.world import World
from strategies.kubernetes.history import current, live_since, revisions


@dataclass(frozen=True, kw_only=True)
class Colour:
    """One of the sets of pods. ``deployment`` is None when it does not exist."""

    name: str
    deployment_name: str
    deployment: Manifest | None
    release: str
    selector: dict[str, str]
    """What the Service selects when it points here."""
    stale_keys: tuple[str, ...]
    """Keys of the live selector that these pods do not have, and that must not stay."""
    pods: tuple[Manifest, ...]

    @property
    def ready(self) -> int:
        """Pods that can take traffic now."""
        return len(ready_names(self.pods))

    @property
    def detail(self) -> str:
        """Where it is, without passing figures."""
        return f"{self.name} (Deployment {self.deployment_name})"


@dataclass(frozen=True, kw_only=True)
class Colours:
    """All colours and which one is live."""

    target: BlueGreenTarget
    service: Manifest
    live: Colour
    others: tuple[Colour, ...]
    """The most recently changed first."""

    @property
    def selector(self) -> dict[str, str]:
        """The live selector."""
        selector: dict[str, str] = self.service["spec"]["selector"]
        return selector


async def read_colours(service: ServiceEntry, world: World) -> Colours:
    """Read the Service, every colour's Deployment and pods.

    Raises ConfigurationError when catalog and Service do not fit each other.
    """
    target = service.target(BlueGreenTarget)
    manifest = await world.cluster.get(SERVICES, target.namespace, target.service)
    selector = manifest["spec"].get("selector") or {}
    live = selector.get(target.label)
    if live not in target.deployments:
        raise ConfigurationError(
            f"Service {target.service} selects {selector_text(selector) or 'nothing'}, but the "
            f"catalog knows {target.label} = {', '.join(sorted(target.deployments))}.",
            "Correct rollback.yml or the Service's selector.",
        )
    colours = await asyncio.gather(
        *(
            _colour(name, service, target, selector, world, live=name == live)
            for name in target.deployments
        )
    )
    by_name = {colour.name: colour for colour in colours}
    if by_name[live].deployment is None:
        raise PermanentError(
            f"Deployment {target.deployments[live]} of the live colour {live} does not exist.",
            "Correct rollback.yml.",
        )
    others = [colour for colour in colours if colour.name != live]
    return Colours(
        target=target,
        service=manifest,
        live=by_name[live],
        others=tuple(sorted(others, key=_changed, reverse=True)),
    )


async def live_colour_since(colours: Colours, world: World) -> datetime | None:
    """When the live release began to serve: by the switch or by a rollout into its colour."""
    switched = last_write(colours.service, "spec", "selector")
    deployment = colours.live.deployment
    if deployment is None or switched is None or switched.at is None:
        return None
    replica_sets = await revisions(world, colours.target.namespace, deployment)
    rolled_out = live_since(deployment, current(deployment, replica_sets))
    return max(switched.at, rolled_out) if rolled_out else switched.at


async def _colour(
    name: str,
    service: ServiceEntry,
    target: BlueGreenTarget,
    live_selector: dict[str, str],
    world: World,
    *,
    live: bool,
) -> Colour:
    deployment_name = target.deployments[name]
    try:
        deployment = await world.cluster.get(DEPLOYMENTS, target.namespace, deployment_name)
    except NotFoundError:
        deployment = None
    template = deployment["spec"]["template"] if deployment else {}
    wanted = {**live_selector, target.label: name}
    stale = () if live else _stale(wanted, target.label, labels_of(template))
    selector = {key: value for key, value in wanted.items() if key not in stale}
    pods = await world.cluster.list(PODS, target.namespace, labels=selector_text(selector))
    return Colour(
        name=name,
        deployment_name=deployment_name,
        deployment=deployment,
        release=release_of(template, service.version_label) if deployment else "",
        selector=selector,
        stale_keys=stale,
        pods=tuple(pod for pod in pods if not is_finished(pod)),
    )


def _stale(wanted: dict[str, str], label: str, labels: dict[str, str]) -> tuple[str, ...]:
    """Keys that the colour's pods do not carry: left over from a merge into the selector."""
    return tuple(
        sorted(key for key, value in wanted.items() if key != label and labels.get(key) != value)
    )


def _changed(colour: Colour) -> tuple[str, str]:
    """When the colour's Deployment last made progress, as sortable text."""
    if colour.deployment is None:
        return ("", colour.name)
    conditions = (colour.deployment.get("status") or {}).get("conditions") or []
    times = [str(one.get("lastUpdateTime") or "") for one in conditions]
    created = str(colour.deployment["metadata"].get("creationTimestamp") or "")
    return (max([created, *times]), name_of(colour.deployment))
