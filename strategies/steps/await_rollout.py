"""Step: wait until a Deployment has rolled out its template."""

from __future__ import annotations

from datetime import datetime

from bot.domain.ownership import FIELD_MANAGER, last_write, last_writer
from bot.domain.plan import Step
from bot.domain.workloads import (
    condition,
    deadline_exceeded_at,
    doomed_reason,
    is_complete,
    is_terminating,
    name_of,
    owner_uid,
    progress_of,
    ready_names,
    selector_of,
)
from bot.errors import PermanentError, WorldMovedError
from bot.ports.cluster import DEPLOYMENTS, PODS, REPLICA_SETS, Manifest
from bot.ports.world import Observed, StepState, World
from strategies.steps.rollout import RolloutParams, has_template, moved, read, target_uids
from strategies.waiting import Objects, Pending, Selection, wait_until


class AwaitRolloutParams(RolloutParams):
    """How long nothing may happen before the wait is given up."""

    patience_seconds: float


class AwaitRollout:
    """Follows a rollout by watches and gives up at the first pod that cannot start."""

    name = "await-rollout"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER when the rollout of the target template is complete."""
        params = AwaitRolloutParams.model_validate(step.action.params)
        deployment = await read(params, world)
        if not has_template(deployment, params.template):
            return Observed(
                state=StepState.OTHER,
                summary=f"Deployment {params.deployment} has not the template of {params.release}.",
                changed_by=last_writer(deployment, "spec", "template"),
            )
        state = StepState.AFTER if is_complete(deployment) else StepState.BEFORE
        return Observed(state=state, summary=f"{params.deployment}: {progress_of(deployment)}.")

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError with the reason as soon as the rollout cannot succeed."""
        params = AwaitRolloutParams.model_validate(step.action.params)
        deployment = await read(params, world)
        write = last_write(deployment, "spec", "template", manager=FIELD_MANAGER)
        # The API server's own time of our patch where it is recorded: clocks may differ.
        patched_at = write.at if write and write.at else world.clock.now()
        return await wait_until(
            world,
            _selections(params, deployment),
            lambda objects: _check(params, objects, patched_at),
            patience_seconds=params.patience_seconds,
        )


def _selections(params: AwaitRolloutParams, deployment: Manifest) -> tuple[Selection, ...]:
    labels = selector_of(deployment)
    return (
        Selection(
            kind=DEPLOYMENTS,
            namespace=params.namespace,
            fields=f"metadata.name={params.deployment}",
        ),
        Selection(kind=REPLICA_SETS, namespace=params.namespace, labels=labels),
        Selection(kind=PODS, namespace=params.namespace, labels=labels),
    )


def _check(params: AwaitRolloutParams, objects: Objects, patched_at: datetime) -> Pending | str:
    deployments, replica_sets, pods = objects
    if not deployments:
        raise WorldMovedError(f"Deployment {params.deployment} was deleted.", "Plan again.")
    deployment = deployments[0]
    if not has_template(deployment, params.template):
        raise moved(params, deployment)
    if is_complete(deployment):
        replicas = deployment["spec"].get("replicas", 1)
        return f"All {replicas} pods of {params.deployment} run {params.release}."
    uids = target_uids(replica_sets, deployment, params.template)
    target = [pod for pod in pods if owner_uid(pod) in uids]
    _give_up_on_doomed(params, target)
    exceeded = deadline_exceeded_at(deployment)
    if exceeded is not None and exceeded > patched_at:
        raise PermanentError(
            f"The rollout of {params.deployment} exceeded its progress deadline "
            f"({progress_of(deployment)}).",
            "Look at the pods' events: resources, quotas and readiness probes.",
        )
    summary = f"{params.deployment}: {progress_of(deployment)}"
    failure = condition(deployment, "ReplicaFailure")
    if failure.get("status") == "True":
        summary += f"; {failure.get('message')}"
    # The controller's count of available pods lags behind readiness by minReadySeconds.
    return Pending(summary=summary, progress=f"{summary} {len(ready_names(target))} {len(pods)}")


def _give_up_on_doomed(params: AwaitRolloutParams, target: list[Manifest]) -> None:
    for pod in target:
        reason = "" if is_terminating(pod) else doomed_reason(pod)
        if reason:
            raise PermanentError(
                f"Pod {name_of(pod)} of {params.release} cannot start: {reason}.",
                "Repair what it needs, or choose another release.",
            )
