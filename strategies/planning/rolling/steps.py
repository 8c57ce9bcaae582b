"""The steps of a rolling rollback."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.plan import Step, StepSpec
from bot.domain.revisions import bare_template
from bot.domain.rollouts import is_ordered, wanted_pods
from bot.domain.workloads import name_of
from strategies.commands import kubectl
from strategies.kubernetes.rollout_steps import await_rollout_step, undone, verify_pods_step
from strategies.kubernetes.template_steps import (
    CONTROLLER_SECONDS,
    resume_rollout_step,
    revert_step,
)
from strategies.planning.rolling.change import RollingChange
from strategies.planning.rolling.estimates import grace_seconds, rollout_seconds
from strategies.steps.delete_broken_pods import DeleteBrokenPods, DeleteBrokenPodsParams
from strategies.steps.rollout import RolloutParams


@dataclass(frozen=True, kw_only=True)
class RollingSteps:
    """Builds them from the recorded facts."""

    change: RollingChange

    def all(self) -> tuple[Step, ...]:
        """In order; a paused Deployment is resumed after its template is right."""
        change = self.change
        return (
            *change.guard.steps,
            self._revert_step(),
            *((resume_rollout_step(self._there),) if change.paused else ()),
            *((self._broken_step(),) if is_ordered(change.workload) else ()),
            *self._wait_steps(),
        )

    @property
    def _there(self) -> RolloutParams:
        target = self.change.target
        return RolloutParams(
            namespace=target.namespace,
            kind=target.kind,
            workload=target.workload,
            template=self.change.template,
            release=self.change.to_release,
        )

    def _revert_step(self) -> Step:
        change = self.change
        return revert_step(
            self._there,
            workload=change.workload,
            annotations=change.destination.annotations,
            from_release=change.from_release,
            title=self._revert_title(),
            command=self._undo_command(),
        )

    def _revert_title(self) -> str:
        live, to = self.change.live, self.change.destination
        if to.revision is None:
            return f"Set the image of container {to.container} in {live} to {to.image}"
        return (
            f"Give {live} the template of {self.change.to_release} again (revision {to.revision})"
        )

    def _undo_command(self) -> str:
        """kubectl's own word for it; empty where it has none, and the bot's patch stands."""
        target, revision = self.change.target, self.change.destination.revision
        # kubectl refuses to undo a paused Deployment; the patch is what undo sends.
        if revision is None or self.change.paused:
            return ""
        name = f"{target.kind.lower()}/{target.workload}"
        return kubectl(target.namespace, "rollout", "undo", name, f"--to-revision={revision}")

    def _broken_step(self) -> Step:
        change, broken = self.change, self.change.broken
        params = DeleteBrokenPodsParams.model_validate(
            {
                **self._there.model_dump(),
                "revisions": broken.revisions,
                "patience_seconds": grace_seconds(change.workload["spec"]["template"])
                + CONTROLLER_SECONDS,
            }
        )
        action = StepSpec(kind=DeleteBrokenPods.name, params=params.model_dump(mode="json"))
        names = ", ".join(map(name_of, broken.now()))
        return Step(
            title=f"Delete pods of {change.target.workload} that are not ready and not of "
            f"{change.to_release} (now {names or 'none'}): the rollout would wait for them for "
            "ever",
            action=action,
            expects={"template": change.template},
            # A deleted pod needs no way back: its controller makes it anew.
            inverse=action.model_copy(
                update={"command": "true  # nothing to take back: the pods were made anew"}
            ),
            command=broken.command(),
            estimate_seconds=1.0 + (grace_seconds(change.template) if names else 0.0),
        )

    def _wait_steps(self) -> tuple[Step, ...]:
        change, there = self.change, self._there
        old = {
            "template": bare_template(change.workload["spec"]["template"]),
            "release": change.from_release,
        }
        back = undone(change.workload, there.model_copy(update=old))
        return (
            await_rollout_step(
                there,
                back,
                workload=change.workload,
                seconds=rollout_seconds(change.workload, change.template),
            ),
            verify_pods_step(
                there,
                back,
                service=change.service,
                workload=change.workload,
                patience=grace_seconds(change.template) + CONTROLLER_SECONDS,
                seconds=5.0 + 0.1 * wanted_pods(change.workload),
            ),
        )
