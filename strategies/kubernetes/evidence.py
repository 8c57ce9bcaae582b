"""What a rollback may destroy, saved before: logs, states, events and manifests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence

from bot.clouds.kubernetes.objects import EVENTS, Manifest
from bot.clouds.kubernetes.rollouts import doomed_reason
from bot.clouds.kubernetes.workloads import is_ready, name_of, release_of
from bot.core.errors import RollbackBotError
from bot.engine.world import Evidence, Instance, World

_AT_ONCE = 8
LOGS_SECONDS = 5.0
"""All logs together may take so long: one dead node must not cost everybody else's evidence."""
_MOST_PODS = 20
"""Logs of so many pods are enough to find a cause; the rest are named."""


def instances(pods: Iterable[Manifest], version_label: str) -> tuple[Instance, ...]:
    """The pods as replicas of the service."""
    return tuple(
        Instance(
            namespace=pod["metadata"]["namespace"],
            name=name_of(pod),
            release=release_of(pod, version_label),
            ready=is_ready(pod),
            problem=doomed_reason(pod),
        )
        for pod in sorted(pods, key=name_of)
    )


async def collect(
    world: World, namespace: str, *, pods: Sequence[Manifest], objects: Sequence[Manifest]
) -> tuple[Evidence, ...]:
    """Logs of every container (and of its run before a restart), states, events, manifests.

    What cannot be read is named in its place.
    """
    gate = asyncio.Semaphore(_AT_ONCE)
    deadline = asyncio.get_running_loop().time() + LOGS_SECONDS
    chosen = sorted(pods, key=lambda pod: (is_ready(pod), name_of(pod)))[:_MOST_PODS]
    logs = await asyncio.gather(
        *(
            _log(
                world,
                gate,
                namespace,
                name_of(pod),
                container,
                previous=previous,
                deadline=deadline,
            )
            for pod in chosen
            for container, previous in _runs(pod)
        )
    )
    manifests = [_without_writers(one) for one in (*objects, *pods)]
    return (
        Evidence(name="pods.txt", text=_described(pods, left_out=len(pods) - len(chosen))),
        Evidence(name="events.txt", text=await _events(world, namespace, [*objects, *pods])),
        Evidence(name="manifests.json", text=json.dumps(manifests, indent=2, sort_keys=True)),
        *logs,
    )


def _runs(pod: Manifest) -> list[tuple[str, bool]]:
    """Containers, and whether the run before the last restart is meant."""
    status = pod.get("status") or {}
    restarted = {
        one["name"]
        for key in ("initContainerStatuses", "containerStatuses")
        for one in status.get(key) or []
        if one.get("restartCount", 0) > 0
    }
    names = [
        container["name"]
        for key in ("initContainers", "containers")
        for container in pod["spec"].get(key) or []
    ]
    return [(name, False) for name in names] + [(name, True) for name in names if name in restarted]


async def _log(
    world: World,
    gate: asyncio.Semaphore,
    namespace: str,
    pod: str,
    container: str,
    *,
    previous: bool,
    deadline: float,
) -> Evidence:
    suffix = "-previous" if previous else ""
    try:
        async with asyncio.timeout_at(deadline), gate:
            text = await world.cluster.logs(namespace, pod, container=container, previous=previous)
    except RollbackBotError as error:
        text = f"This log could not be read: {error}\n"
    except TimeoutError:
        text = f"This log could not be read within {LOGS_SECONDS:g} s. Is its node well?\n"
    return Evidence(name=f"{pod}-{container}{suffix}.log", text=text)


def _described(pods: Sequence[Manifest], *, left_out: int) -> str:
    lines = [line for pod in sorted(pods, key=name_of) for line in _pod_lines(pod)]
    if left_out > 0:
        lines.append(f"The logs of {left_out} more pods were not saved.")
    return "\n".join(lines or ["No pods."]) + "\n"


def _pod_lines(pod: Manifest) -> list[str]:
    status = pod.get("status") or {}
    first = (
        f"{name_of(pod)}: phase {status.get('phase', 'unknown')}, "
        f"node {pod['spec'].get('nodeName', 'none')}, IP {status.get('podIP', 'none')}, "
        f"{'ready' if is_ready(pod) else 'not ready'}"
    )
    conditions = [
        f"  {one['type']}: {one['status']}" + (f" ({one['reason']})" if one.get("reason") else "")
        for one in status.get("conditions") or []
    ]
    containers = [
        f"  container {one['name']}: {one.get('image')}, restarts {one.get('restartCount', 0)}, "
        f"state {json.dumps(one.get('state'))}, last state {json.dumps(one.get('lastState') or {})}"
        for one in status.get("containerStatuses") or []
    ]
    return [first, *conditions, *containers]


async def _events(world: World, namespace: str, objects: Sequence[Manifest]) -> str:
    uids = {one["metadata"]["uid"] for one in objects}
    try:
        events = await world.cluster.list(EVENTS, namespace)
    except RollbackBotError as error:
        return f"The events could not be read: {error}\n"
    mine = [event for event in events if event["involvedObject"].get("uid") in uids]
    lines = [
        f"{_last_seen(event)} {event.get('type', '')} {event.get('reason', '')} "
        f"{event['involvedObject'].get('kind')}/{event['involvedObject'].get('name')} "
        f"×{event.get('count') or 1}: {event.get('message', '')}"
        for event in sorted(mine, key=_last_seen)
    ]
    return "\n".join(lines or ["No events."]) + "\n"


def _last_seen(event: Manifest) -> str:
    return str(
        event.get("lastTimestamp")
        or (event.get("series") or {}).get("lastObservedTime")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
        or ""
    )


def _without_writers(manifest: Manifest) -> Manifest:
    metadata = {k: v for k, v in manifest["metadata"].items() if k != "managedFields"}
    return {**manifest, "metadata": metadata}
