"""Step: say how long nobody was served, as the cluster recorded it."""

from __future__ import annotations

import re
from datetime import datetime

from bot.clouds.kubernetes.objects import EVENTS, Manifest
from bot.clouds.kubernetes.rollouts import mark_on, own_pods, target_marks
from bot.clouds.kubernetes.workloads import condition, is_ready, moment
from bot.core.errors import ForbiddenError
from bot.core.values import spoken
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Step
from strategies.kubernetes.workload import (
    RolloutParams,
    has_template,
    read,
    selections,
    without_template,
)

_DOWN = re.compile(r"Scaled down replica set \S+ (from \d+ )?to 0\b")
"""The Deployment controller's event, in the wording before and since Kubernetes 1.27."""


class MeasureDowntimeParams(RolloutParams):
    """Whose downtime; ``template`` is the good one."""

    served_before: bool
    """A pod was ready when the plan was made, so that the downtime began with the rollback."""


class MeasureDowntime:
    """Reads the controller's event and the pods' conditions, which are exact to the second.

    Nothing of it is kept in the process: the figure is the same after a restart. Changes nothing.
    """

    name = "measure-downtime"

    async def observe(self, step: Step, world: World) -> Observed:
        """BEFORE: it is read anew each time; OTHER for another template."""
        params = MeasureDowntimeParams.model_validate(step.action.params)
        deployment = await read(params, world)
        if not has_template(deployment, params.template):
            return without_template(params, deployment)
        return Observed(state=StepState.BEFORE, summary="The downtime is to be read.")

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """A downtime that cannot be told is said to be unknown; that is no failure."""
        params = MeasureDowntimeParams.model_validate(step.action.params)
        deployment = await read(params, world)
        _, revisions, pods = [
            await world.cluster.list(one.kind, one.namespace, labels=one.labels, fields=one.fields)
            for one in selections(params, deployment)
        ]
        marks = target_marks(revisions, deployment, params.template)
        mine = [pod for pod in own_pods(pods, revisions, deployment) if mark_on(pod) in marks]
        up = min(filter(None, map(_ready_since, mine)), default=None)
        if not params.served_before:
            when = f"{up:%H:%M:%S} UTC" if up else "an unknown time"
            return (
                f"No pod was ready before the rollback; the first of {params.release} was ready "
                f"at {when}."
            )
        try:
            events = await world.cluster.list(EVENTS, params.namespace)
        except ForbiddenError as error:
            return f"The downtime is unknown: {error.what}"
        down = _last_down(events, deployment, before=up)
        if up is None or down is None:
            missing = "no pod is ready" if up is None else "the events have expired"
            return f"The downtime is unknown: {missing}."
        return (
            f"Downtime {spoken((up - down).total_seconds())}: the last ready pod went at "
            f"{down:%H:%M:%S}, the first of {params.release} was ready at {up:%H:%M:%S} UTC."
        )


def _ready_since(pod: Manifest) -> datetime | None:
    return moment(condition(pod, "Ready").get("lastTransitionTime")) if is_ready(pod) else None


def _last_down(
    events: tuple[Manifest, ...], deployment: Manifest, *, before: datetime | None
) -> datetime | None:
    """When the controller last took the pods away."""
    times = [
        moment(event.get("lastTimestamp") or event.get("eventTime"))
        for event in events
        if event["involvedObject"].get("uid") == deployment["metadata"]["uid"]
        and event.get("reason") == "ScalingReplicaSet"
        and _DOWN.match(str(event.get("message") or ""))
    ]
    known = [time for time in times if time and (before is None or time <= before)]
    return max(known, default=None)
