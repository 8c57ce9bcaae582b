"""Steps that give a workload another pod template, and let it follow."""

from __future__ import annotations

from bot.domain.plan import Step, StepSpec
from bot.domain.revisions import bare_template
from bot.domain.values import Facts
from bot.ports.cluster import Manifest
from strategies.commands import json_patch, kubectl
from strategies.steps.revert_template import (
    RevertTemplate,
    RevertTemplateParams,
    revert_operations,
)
from strategies.steps.rollout import RolloutParams, portable_annotations
from strategies.steps.set_paused import SetPaused, SetPausedParams

CONTROLLER_SECONDS = 60.0
"""Patience for the controller to see a change; it normally takes milliseconds."""


def revert_step(
    there: RolloutParams,
    *,
    workload: Manifest,
    annotations: dict[str, str] | None,
    from_release: str,
    title: str,
    command: str = "",
) -> Step:
    """From the live template to the one wanted; the patch itself is the command unless given.

    ``annotations`` are as in ``RevertTemplateParams``.
    """
    live = workload["spec"]["template"]
    params = _params(there, old_template=bare_template(live), annotations=annotations)
    operations = revert_operations(workload, live, there.template, annotations)
    back = None if annotations is None else portable_annotations(workload)
    return Step(
        title=title,
        action=StepSpec(kind=RevertTemplate.name, params=params.model_dump(mode="json")),
        expects={"template": params.old_template},
        inverse=taken_back(there, workload=workload, annotations=back, from_release=from_release),
        command=command or _patch(there, operations),
        estimate_seconds=1.0,
    )


def taken_back(
    there: RolloutParams,
    *,
    workload: Manifest,
    annotations: dict[str, str] | None,
    from_release: str,
) -> StepSpec:
    """The live template again, whoever brought the other one."""
    old = bare_template(workload["spec"]["template"])
    params = _params(
        there.model_copy(update={"template": old, "release": from_release}),
        old_template=there.template,
        annotations=annotations,
    )
    operations = revert_operations(workload, there.template, old, annotations)
    return StepSpec(
        kind=RevertTemplate.name,
        params=params.model_dump(mode="json"),
        command=_patch(there, operations),
    )


def resume_rollout_step(there: RolloutParams) -> Step:
    """A paused Deployment stores a new template but does not roll it out."""
    params = SetPausedParams.model_validate({**there.model_dump(), "paused": False})
    name = f"{there.kind.lower()}/{there.workload}"
    return Step(
        title=f"Resume the paused rollout of {there.workload}",
        action=StepSpec(kind=SetPaused.name, params=params.model_dump(mode="json")),
        expects={"paused": True},
        inverse=StepSpec(
            kind=SetPaused.name,
            params=params.model_copy(update={"paused": True}).model_dump(mode="json"),
            command=kubectl(there.namespace, "rollout", "pause", name),
        ),
        command=kubectl(there.namespace, "rollout", "resume", name),
        estimate_seconds=1.0,
    )


def _params(
    there: RolloutParams, *, old_template: Facts, annotations: dict[str, str] | None
) -> RevertTemplateParams:
    return RevertTemplateParams.model_validate(
        {
            **there.model_dump(),
            "old_template": old_template,
            "annotations": annotations,
            "patience_seconds": CONTROLLER_SECONDS,
        }
    )


def _patch(there: RolloutParams, operations: list[Manifest]) -> str:
    return json_patch(there.namespace, there.kind.lower(), there.workload, operations)
