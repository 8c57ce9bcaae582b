"""The step that puts the old release in place while there are no pods."""

from __future__ import annotations

import json
import shlex

from bot.domain.plan import Step, StepSpec
from bot.domain.revisions import same_template
from strategies.commands import json_patch, kubectl
from strategies.kubernetes.template_steps import CONTROLLER_SECONDS, revert_step, taken_back
from strategies.planning.recreate.change import RecreateChange
from strategies.steps.apply_manifest import ApplyManifest, ApplyManifestParams
from strategies.steps.rollout import portable_annotations


def template_step(change: RecreateChange) -> Step:
    """The manifest is applied where there is one, else a ReplicaSet's template given back."""
    return _apply_step(change) if change.source.manifest else _revert_step(change)


def _revert_step(change: RecreateChange) -> Step:
    return revert_step(
        change.new,
        workload=change.deployment,
        annotations=portable_annotations(change.source.replica_set or {"metadata": {}}),
        from_release=change.from_release,
        title=f"Give Deployment {change.target.deployment} the template of {change.to_release} "
        f"again ({change.source.option.candidate.detail})",
    )


def _apply_step(change: RecreateChange) -> Step:
    outcome = change.outcome
    params = ApplyManifestParams.model_validate(
        {
            **change.new.model_dump(),
            "old_template": change.old_template,
            "applied_template": outcome.applied_template,
            "manifest": change.source.manifest,
            "managers": outcome.managers,
            "patience_seconds": CONTROLLER_SECONDS,
        }
    )
    return Step(
        title=f"Apply the manifest of {change.to_release} ({change.source.path})",
        action=StepSpec(kind=ApplyManifest.name, params=params.model_dump(mode="json")),
        expects={"template": change.old_template, "managers": list(outcome.managers)},
        inverse=taken_back(
            change.new,
            workload=change.deployment,
            annotations=portable_annotations(change.deployment),
            from_release=change.from_release,
        ),
        command=_apply_command(params),
        estimate_seconds=1.0,
    )


def _apply_command(params: ApplyManifestParams) -> str:
    text = shlex.quote(json.dumps(params.manifest, separators=(",", ":"), sort_keys=True))
    apply = kubectl(
        params.namespace,
        "apply",
        "--server-side",
        "--field-manager=rollback-bot",
        "--force-conflicts",
        "-f",
        "-",
    )
    command = f"printf %s {text} | {apply}"
    if same_template(params.template, params.applied_template):
        return command
    replaced = [{"op": "replace", "path": "/spec/template", "value": params.template}]
    patch = json_patch(params.namespace, "deployment", params.workload, replaced)
    return f"{command} && {patch}"
