"""The steps that take an Argo Rollout back to its stable release."""

from __future__ import annotations

from bot.config.catalog import ServiceEntry
from bot.domain.plan import Milestone, Step, StepSpec
from strategies.commands import json_patch
from strategies.kubernetes.drains import drain_step
from strategies.kubernetes.fields import FieldChange, guarded
from strategies.kubernetes.pod_steps import ready_step
from strategies.planning.canary.argo_update import POD_HASH, Update
from strategies.preflights.dry_run import Write
from strategies.steps.abort_rollout import (
    ROLLOUTS,
    AbortRollout,
    AbortRolloutParams,
    abort_operations,
)
from strategies.steps.set_fields import SetFields, SetFieldsParams

_CONTROLLER_SECONDS = 60.0
_RESOURCE = "rollouts.argoproj.io"


def steps_of(update: Update, service: ServiceEntry) -> tuple[Step, ...]:
    """Stable ready, abort, drain, and the bad template taken away."""
    target = update.target
    drain = drain_step(
        service,
        target.namespace,
        labels={POD_HASH: update.hashes[1]},
        name="the canary",
        release=update.release(update.canary),
        timeout=target.drain_timeout.total_seconds(),
    )
    ready = (_ready_step(update),) if update.routed else ()
    back = (_template_step(update),) if "template" in update.rollout["spec"] else ()
    return (*ready, _abort_step(update), drain, *back)


def writes_of(update: Update) -> tuple[Write, ...]:
    """What the steps send to the API server, for dry runs."""
    target = update.target
    where = {"kind": ROLLOUTS, "namespace": target.namespace, "name": target.rollout}
    stable, canary = update.hashes
    abort = tuple(abort_operations(stable, canary, abort=True))
    status = Write.model_validate({**where, "operations": abort, "subresource": "status"})
    if "template" not in update.rollout["spec"]:
        return (status,)
    patch = tuple(guarded(update.rollout, [template_change(update)]))
    return (status, Write.model_validate({**where, "operations": patch}))


def _ready_step(update: Update) -> Step:
    stable, canary = update.hashes
    needed = update.target.full_replicas or update.replicas
    return ready_step(
        update.target.namespace,
        title=f"Check that {needed} stable pods ({update.release(update.stable)}) are ready",
        live={POD_HASH: canary},
        target={POD_HASH: stable},
        name="the stable side",
        expects={"ready": needed},
        at_least=needed,
    )


def _abort_step(update: Update) -> Step:
    stable, canary = update.hashes
    target = update.target
    params = AbortRolloutParams(
        namespace=target.namespace,
        rollout=target.rollout,
        stable=stable,
        canary=canary,
        abort=True,
        routed=update.routed,
        patience_seconds=_CONTROLLER_SECONDS,
    )
    undo = params.model_copy(update={"abort": False})
    return Step(
        title=f"Abort the update of Rollout {target.rollout} to {update.release(update.canary)}",
        action=StepSpec(kind=AbortRollout.name, params=params.model_dump(mode="json")),
        expects={"stableRS": stable, "currentPodHash": canary, "abort": False},
        inverse=StepSpec(
            kind=AbortRollout.name,
            params=undo.model_dump(mode="json"),
            command=_abort_command(undo),
        ),
        command=_abort_command(params),
        estimate_seconds=5.0,
        milestone=Milestone.SWITCHED,
    )


def _abort_command(params: AbortRolloutParams) -> str:
    """With the tests: an abort with nothing in progress scales the stable side to zero."""
    return json_patch(
        params.namespace,
        _RESOURCE,
        params.rollout,
        abort_operations(params.stable, params.canary, abort=params.abort),
        subresource="status",
    )


def _template_step(update: Update) -> Step:
    target, change = update.target, template_change(update)
    release = update.release(update.stable)
    params = SetFieldsParams(
        namespace=target.namespace,
        kind=ROLLOUTS,
        name=target.rollout,
        what=f"Rollout {target.rollout}",
        fields=(change,),
        done=f"Rollout {target.rollout} has the template of {release} again.",
        patience_seconds=_CONTROLLER_SECONDS,
    )
    back = change.undone
    inverse = params.model_copy(
        update={"fields": (back,), "done": f"Rollout {target.rollout} has its bad template again."}
    )
    return Step(
        title=f"Give Rollout {target.rollout} the template of {release} again, or leaving the "
        "aborted state would start the canary anew",
        action=StepSpec(kind=SetFields.name, params=params.model_dump(mode="json")),
        expects={"template": change.old},
        inverse=StepSpec(
            kind=SetFields.name,
            params=inverse.model_dump(mode="json"),
            command=json_patch(
                target.namespace, _RESOURCE, target.rollout, guarded(update.rollout, [back])
            ),
        ),
        command=json_patch(
            target.namespace, _RESOURCE, target.rollout, guarded(update.rollout, [change])
        ),
        estimate_seconds=2.0,
    )


def template_change(update: Update) -> FieldChange:
    """From the bad template to the stable one."""
    return FieldChange(
        path=("spec", "template"), old=update.rollout["spec"]["template"], new=update.template
    )
