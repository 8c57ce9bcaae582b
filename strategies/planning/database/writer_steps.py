"""Steps that stop what writes to a database, and start it again."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.plan import Milestone, Step, StepSpec
from bot.domain.values import amount, spoken
from strategies.commands import json_patch, kubectl
from strategies.kubernetes.pod_steps import gone_command
from strategies.kubernetes.scaler_steps import pause_step, resume_step
from strategies.kubernetes.scalers import Scaler
from strategies.preflights.writers import RecordedWriter
from strategies.steps.scale_writers import ScaleWriters, ScaleWritersParams, scale_operations

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
