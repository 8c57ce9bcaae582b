"""The Deployments that write to a database: found, counted, and what would scale them again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot.clouds.kubernetes.objects import DEPLOYMENTS, PODS, Manifest
from bot.clouds.kubernetes.ownership import last_writer
from bot.clouds.kubernetes.rollouts import doomed_reason
from bot.clouds.kubernetes.workloads import (
    is_finished,
    is_terminating,
    name_of,
    ready_names,
    selector_of,
)
from bot.core.errors import PermanentError, WorldMovedError
from bot.core.values import Value, amount, spoken
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Milestone, Preflight, Step, StepSpec
from strategies.common.commands import json_patch, kubectl
from strategies.common.preflights import or_unknown, passed, warned
from strategies.common.waiting import Objects, Pending, Selection, wait_until
from strategies.database.target import Writer
from strategies.kubernetes.gitops import NAME as GITOPS
from strategies.kubernetes.gitops import STARTED, check_gitops
from strategies.kubernetes.pods import gone_command
from strategies.kubernetes.preflights import (
    check_rights,
    check_writes,
    scaling,
    to_change,
    to_follow,
)
from strategies.kubernetes.scalers import (
    SCALED_OBJECTS,
    Scaler,
    Scalers,
    check_scalers,
    find_scalers,
    pause_step,
    pausing,
    resume_step,
)
from strategies.kubernetes.workload import named

# Step: stop a Deployment that writes to a database, or start it again.


class ScaleWritersParams(Value):
    """From how many replicas to how many; one of the two is 0."""

    namespace: str
    deployment: str
    selector: str
    before: int
    after: int
    autoscaled: bool = False
    """An autoscaler may already have gone on from ``after``."""
    patience_seconds: float


def scale_operations(before: int, after: int) -> list[Manifest]:
    """The JSON Patch, guarded by the number that was decided upon."""
    return [
        {"op": "test", "path": "/spec/replicas", "value": before},
        {"op": "replace", "path": "/spec/replicas", "value": after},
    ]


class ScaleWriters:
    """Sets ``spec.replicas`` and waits for the pods: none left, or all ready."""

    name = "scale-writers"

    async def observe(self, step: Step, world: World) -> Observed:
        """By ``spec.replicas``."""
        params = ScaleWritersParams.model_validate(step.action.params)
        deployment = await world.cluster.get(DEPLOYMENTS, params.namespace, params.deployment)
        replicas = _replicas(deployment)
        summary = f"Deployment {params.deployment} is meant to have {amount(replicas, 'replica')}."
        if _reached(params, replicas):
            return Observed(state=StepState.AFTER, summary=summary, facts={"replicas": replicas})
        if replicas == params.before:
            return Observed(state=StepState.BEFORE, summary=summary, facts={"replicas": replicas})
        return Observed(
            state=StepState.OTHER,
            summary=summary,
            facts={"replicas": replicas},
            changed_by=last_writer(deployment, "spec", "replicas"),
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError when somebody else has scaled it."""
        params = ScaleWritersParams.model_validate(step.action.params)
        where = (DEPLOYMENTS, params.namespace, params.deployment)
        try:
            await world.cluster.patch(*where, scale_operations(params.before, params.after))
        except WorldMovedError as error:
            deployment = await world.cluster.get(*where)
            if not _reached(params, _replicas(deployment)):
                raise _scaled(params, deployment) from error

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError for pods that cannot start, or do not stop in time."""
        params = ScaleWritersParams.model_validate(step.action.params)
        selections = (
            named(DEPLOYMENTS, params.namespace, params.deployment),
            Selection(kind=PODS, namespace=params.namespace, labels=params.selector),
        )
        return await wait_until(
            world,
            selections,
            lambda objects: _check(params, objects),
            patience_seconds=params.patience_seconds,
        )


def _replicas(deployment: Manifest) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _reached(params: ScaleWritersParams, replicas: int) -> bool:
    return replicas == params.after or (params.autoscaled and params.after > 0 and replicas > 0)


def _scaled(params: ScaleWritersParams, deployment: Manifest) -> WorldMovedError:
    return WorldMovedError(
        f"Deployment {params.deployment} was scaled to {_replicas(deployment)} by "
        f"{last_writer(deployment, 'spec', 'replicas')}.",
        "Find out who or what did that, then plan again.",
    )


def _check(params: ScaleWritersParams, objects: Objects) -> Pending | str:
    deployments, pods = objects
    for deployment in deployments:
        if not _reached(params, _replicas(deployment)):
            raise _scaled(params, deployment)
    running = [pod for pod in pods if not is_finished(pod)]
    if params.after == 0:
        names = sorted(map(name_of, running))
        if not names:
            return f"No pod of {params.deployment} is running any more."
        return Pending(summary=f"still running: {', '.join(names)}", progress=str(names))
    for pod in running:
        if not is_terminating(pod) and (reason := doomed_reason(pod)):
            raise PermanentError(
                f"Pod {name_of(pod)} cannot start: {reason}.",
                "Repair what it needs; the database is as it should be.",
            )
    ready = len(ready_names(running))
    if ready >= params.after:
        return f"{params.deployment} has {amount(ready, 'ready pod')}."
    return Pending(summary=f"{ready} of {params.after} pods are ready", progress=str(ready))


NAME = "Writers"
RIGHTS = (*to_change(DEPLOYMENTS), *to_follow(PODS))


class RecordedWriter(Value):
    """A writer as it was when the plan was made."""

    namespace: str
    deployment: str
    selector: str
    replicas: int
    restored: int
    """Replicas to start with again: an autoscaler's minimum counts, it never starts from 0."""
    scalers: Scalers

    @property
    def autoscaled(self) -> bool:
        """Whether anything beside people changes the number of its pods."""
        return self.scalers.owner is not None


async def record_writers(world: World, writers: Sequence[Writer]) -> tuple[RecordedWriter, ...]:
    """Raises NotFoundError for one that does not exist."""
    return tuple(await asyncio.gather(*(_record(world, writer) for writer in writers)))


async def _record(world: World, writer: Writer) -> RecordedWriter:
    deployment = await world.cluster.get(DEPLOYMENTS, writer.namespace, writer.deployment)
    replicas = int(deployment["spec"].get("replicas", 1))
    scalers = await find_scalers(world.cluster, writer.namespace, writer.deployment)
    return RecordedWriter(
        namespace=writer.namespace,
        deployment=writer.deployment,
        selector=selector_of(deployment),
        replicas=replicas,
        restored=max(replicas, scalers.minimum) if replicas else 0,
        scalers=scalers,
    )


async def check_writers(
    world: World, writers: Sequence[RecordedWriter], *, connected: Sequence[str] | None
) -> tuple[Preflight, ...]:
    """Whether they can be stopped; without any, who is connected and will not be stopped.

    ``connected`` is None where nobody can tell.
    """
    if not writers:
        who = "Nobody is connected" if connected is not None else "Who is connected is not known"
        if connected:
            who = f"Connected now: {', '.join(connected[:5])}"
        return (
            warned(
                NAME,
                f"The catalog names no writers, so the bot stops nobody. {who}. Stop the "
                "application first.",
            ),
        )
    found: list[Preflight] = []
    for writer in writers:
        found += await _check_writer(world, writer)
    return tuple(found)


async def _check_writer(world: World, writer: RecordedWriter) -> list[Preflight]:
    name, namespace = writer.deployment, writer.namespace
    if writer.replicas == 0:
        return [passed(NAME, f"Deployment {name} stands at 0 replicas already and stays there.")]
    cluster = world.cluster
    deployment = await cluster.get(DEPLOYMENTS, namespace, name)
    keda = to_change(SCALED_OBJECTS) if writer.scalers.scaled_object else ()
    writes = (
        *scaling(DEPLOYMENTS, namespace, name, 0, writer.restored),
        *await pausing(cluster, namespace, writer.scalers),
    )
    return [
        passed(
            NAME,
            f"Deployment {name} is stopped meanwhile and then started with {writer.restored} "
            "replicas.",
        ),
        check_scalers(writer.scalers, name, restored=writer.restored),
        await check_rights(cluster, namespace, (*RIGHTS, *keda)),
        await or_unknown(
            GITOPS, check_gitops(cluster, deployment, f"Deployment {name}", harm=STARTED)
        ),
        await check_writes(cluster, writes),
    ]


# Steps that stop what writes to a database, and start it again.

STOP_SECONDS = 20.0
START_SECONDS = 30.0


def stop_steps(writers: Sequence[RecordedWriter], *, patience: float) -> tuple[Step, ...]:
    """Scale each to 0, with KEDA paused, which would start it again at once."""
    running = [one for one in writers if one.replicas]
    return tuple(
        step
        for one in running
        for step in (
            *(pause_step(one.namespace, scaler) for scaler in _awake(one)),
            _step(one, patience, start=False, last=False),
        )
    )


def start_steps(writers: Sequence[RecordedWriter], *, patience: float) -> tuple[Step, ...]:
    """Scale each to what was recorded; users are served again after the last one."""
    running = [one for one in writers if one.replicas]
    return tuple(
        step
        for one in running
        for step in (
            _step(one, patience, start=True, last=one is running[-1]),
            *(resume_step(one.namespace, scaler) for scaler in _awake(one)),
        )
    )


def _awake(writer: RecordedWriter) -> tuple[Scaler, ...]:
    """KEDA, where it scales the writer and nobody has paused it."""
    scaler = writer.scalers.scaled_object
    return (scaler,) if scaler and not scaler.paused else ()


def downtime(writers: Sequence[RecordedWriter], between: float) -> str:
    """From the first stop to the last start; ``between`` in seconds."""
    running = [one for one in writers if one.replicas]
    if not running:
        return "None by the bot itself: it stops nobody"
    names = ", ".join(one.deployment for one in running)
    seconds = len(running) * (STOP_SECONDS + START_SECONDS) + between
    return f"About {spoken(seconds)}, while {names} is stopped"


def _step(writer: RecordedWriter, patience: float, *, start: bool, last: bool) -> Step:
    there = _spec(writer, patience, start=start)
    title = (
        f"Start {writer.deployment} again with {amount(writer.restored, 'replica')}"
        if start
        else f"Stop {writer.deployment} (scale to 0)"
    )
    return Step(
        title=title,
        action=there,
        expects={"replicas": 0 if start else writer.replicas},
        inverse=_spec(writer, patience, start=not start),
        command=there.command,
        estimate_seconds=START_SECONDS if start else STOP_SECONDS,
        milestone=Milestone.SWITCHED if last else None,
    )


def _spec(writer: RecordedWriter, patience: float, *, start: bool) -> StepSpec:
    before, after = (0, writer.restored) if start else (writer.replicas, 0)
    params = ScaleWritersParams(
        namespace=writer.namespace,
        deployment=writer.deployment,
        selector=writer.selector,
        before=before,
        after=after,
        autoscaled=writer.autoscaled,
        patience_seconds=patience,
    )
    scale = json_patch(
        writer.namespace, "deployment", writer.deployment, scale_operations(before, after)
    )
    name, timeout = f"deployment/{writer.deployment}", f"--timeout={patience:.0f}s"
    wait = (
        kubectl(writer.namespace, "rollout", "status", name, timeout)
        if start
        else gone_command(writer.namespace, writer.selector, patience)
    )
    return StepSpec(
        kind=ScaleWriters.name,
        params=params.model_dump(mode="json"),
        command=f"{scale}\n{wait}",
    )
