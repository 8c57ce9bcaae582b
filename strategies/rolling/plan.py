"""The plan of a rolling rollback: its preflights, and what must be said before approval."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass
from datetime import datetime

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import PODS, Kind, Manifest, Right
from bot.clouds.kubernetes.rollouts import (
    REVISION_LABEL,
    WorkloadKind,
    bare_template,
    first_ordinal_updated,
    is_ordered,
    is_partitioned_off,
    is_rolled_out,
    mark_of,
    mark_on,
    ordinal_of,
    partition_of,
    progress_in,
    target_marks,
    update_strategy,
    wanted_pods,
)
from bot.clouds.kubernetes.workloads import (
    is_ready,
    is_terminating,
    name_of,
    release_of,
    selector_of,
)
from bot.core.values import Facts, amount
from bot.engine.world import World
from bot.incident.plan import Candidate, Plan, Preflight, Step, StepSpec
from strategies.common.commands import kubectl
from strategies.common.preflights import blocked, or_unknown, passed, warned
from strategies.kubernetes.fields import paused_operations
from strategies.kubernetes.gitops import GitOpsGuard
from strategies.kubernetes.preflights import CONFIGURATION as REFERENCES
from strategies.kubernetes.preflights import (
    POD_PROXY,
    Deletion,
    Write,
    check_references,
    check_rights,
    check_writes,
    to_change,
    to_follow,
)
from strategies.kubernetes.rollouts import (
    await_rollout_step,
    grace_seconds,
    recreates,
    rollout_seconds,
    undone,
    verify_pods_step,
    version_port,
)
from strategies.kubernetes.scalers import AUTOSCALER, BUDGET, check_autoscaler, check_budget
from strategies.kubernetes.templates import (
    CONTROLLER_SECONDS,
    resume_rollout_step,
    revert_operations,
    revert_step,
)
from strategies.kubernetes.workload import WORKLOADS, RolloutParams, revision_kind
from strategies.rolling.candidates import Destination, LiveWorkload, RollingTarget
from strategies.rolling.delete_broken_pods import DeleteBrokenPods, DeleteBrokenPodsParams

# The pods behind which an OrderedReady StatefulSet stays stuck, also after its template is right.
#
# See ``strategies.rolling.delete_broken_pods``.


@dataclass(frozen=True, kw_only=True)
class BrokenPods:
    """Those of another revision that are not ready; none where the order does not matter."""

    live: LiveWorkload
    pods: tuple[Manifest, ...]
    """The workload's own pods when the plan was made."""
    template: Facts
    """What is to be live afterwards."""

    @property
    def revisions(self) -> tuple[str, ...]:
        """Every revision but the target's, by the value of its pods' label."""
        target = target_marks(self.live.revisions, self.live.workload, self.template)
        known = {mark_of(one) for one in self.live.revisions} | {mark_on(pod) for pod in self.pods}
        return tuple(sorted(filter(None, known - target)))

    def now(self) -> list[Manifest]:
        """The broken pods when the plan was made, the highest ordinal first."""
        if not is_ordered(self.live.workload):
            return []
        revisions = self.revisions
        return [
            pod
            for pod in sorted(self.pods, key=ordinal_of, reverse=True)
            if mark_on(pod) in revisions
            and not is_ready(pod)
            and not is_partitioned_off(pod, self.live.workload)
        ]

    def deletions(self) -> tuple[Deletion, ...]:
        """What the API server is asked to delete, as far as it can be told before."""
        return tuple(
            Deletion(
                kind=PODS,
                namespace=self.live.target.namespace,
                name=name_of(pod),
                uid=str(pod["metadata"]["uid"]),
            )
            for pod in self.now()
            if not is_terminating(pod)
        )

    def command(self) -> str:
        """Deletes them by kubectl's own columns; what the partition keeps is left alone."""
        namespace, workload = self.live.target.namespace, self.live.workload
        labels = f"{selector_of(workload)},{REVISION_LABEL} in ({','.join(self.revisions)})"
        pods = kubectl(namespace, "get", "pods", "-l", labels, "--no-headers")
        first = first_ordinal_updated(workload)
        above = f" && ordinal[n] + 0 >= {first}" if first else ""
        split = 'n = split($1, ordinal, "-"); ' if first else ""
        unready = f'{{{split}split($2, ready, "/"); if (ready[1] != ready[2]{above}) print $1}}'
        delete = kubectl(namespace, "delete", "pod", "--wait=false")
        return f"{pods} | awk {shlex.quote(unready)} | xargs -r {delete}"


# What a rolling rollback changes, and what it sends to the API server for that.


@dataclass(frozen=True, kw_only=True)
class RollingChange:
    """From the live template to another one."""

    service: ServiceEntry
    live: LiveWorkload
    destination: Destination
    pods: tuple[Manifest, ...]
    """The workload's own pods when the plan was made."""
    guard: GitOpsGuard

    @property
    def target(self) -> RollingTarget:
        """The catalog's entry."""
        return self.live.target

    @property
    def workload(self) -> Manifest:
        """The live object."""
        return self.live.workload

    @property
    def resource(self) -> Kind:
        """Where the workload is found."""
        return WORKLOADS[self.target.kind]

    @property
    def from_release(self) -> str:
        """Of the live template."""
        return self.live.release

    @property
    def to_release(self) -> str:
        """Of the template that is to be live."""
        return self.destination.option.candidate.release

    @property
    def template(self) -> Facts:
        """What is to be live afterwards."""
        return self.destination.template

    @property
    def paused(self) -> bool:
        """A paused Deployment stores a new template but does not roll it out."""
        return bool(self.workload["spec"].get("paused"))

    @property
    def asks_pods(self) -> bool:
        """Whether every pod is asked for its version in the end."""
        return version_port(self.service) is not None

    @property
    def broken(self) -> BrokenPods:
        """The pods that a rollout would wait for in vain."""
        return BrokenPods(live=self.live, pods=self.pods, template=self.template)

    def operations(self) -> list[Manifest]:
        """The JSON Patch of the change."""
        return revert_operations(
            self.workload,
            self.workload["spec"]["template"],
            self.template,
            self.destination.annotations,
        )

    def writes(self) -> tuple[Write | Deletion, ...]:
        """What the steps send to the API server, for dry runs."""
        patches = [self.operations()]
        if self.paused:
            patches.append(paused_operations(False))
        namespace, name = self.target.namespace, self.target.workload
        return (
            *(
                Write(
                    kind=self.resource, namespace=namespace, name=name, operations=tuple(operations)
                )
                for operations in patches
            ),
            *self.broken.deletions(),
        )


# The steps of a rolling rollback.


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


def rights_on(kind: WorkloadKind) -> tuple[Right, ...]:
    """What every plan for a workload of this kind takes."""
    return (*to_change(WORKLOADS[kind]), *to_follow(revision_kind(kind), PODS))


@dataclass(frozen=True, kw_only=True)
class RollingPlan:
    """A change with everything that is known about it."""

    name: str
    change: RollingChange

    async def preflights(self, world: World) -> tuple[Preflight, ...]:
        """Everything that can be known before."""
        change, cluster = self.change, world.cluster
        namespace, workload = change.target.namespace, change.workload
        checks = await asyncio.gather(
            check_rights(cluster, namespace, self._rights()),
            or_unknown(REFERENCES, check_references(cluster, namespace, change.template)),
            or_unknown(AUTOSCALER, check_autoscaler(cluster, namespace, workload)),
            or_unknown(BUDGET, check_budget(cluster, namespace, workload)),
            check_writes(cluster, change.writes()),
        )
        own = (self._rollout_preflight(), self._replicas_preflight(), *self._update_preflights())
        return (*own, *checks, change.guard.preflight)

    def build(
        self,
        *,
        preflights: tuple[Preflight, ...],
        candidates: tuple[Candidate, ...],
        observed_at: datetime,
    ) -> Plan:
        """The whole plan."""
        change = self.change
        return Plan(
            service=self.name,
            strategy="rolling",
            from_release=change.from_release,
            to_release=change.to_release,
            steps=RollingSteps(change=change).all(),
            preflights=preflights,
            not_restored=(*self._not_restored(), *change.guard.not_restored),
            downtime=self._downtime(),
            candidates=candidates,
            observed={
                change.target.kind.lower(): f"{change.target.namespace}/{change.target.workload}",
                "uid": change.workload["metadata"]["uid"],
                "paused": change.paused,
                "target_revision": change.destination.revision,
                "target_image": change.destination.image,
            },
            observed_at=observed_at,
        )

    def _rights(self) -> tuple[Right, ...]:
        ordered = is_ordered(self.change.workload)
        return (
            *rights_on(self.change.target.kind),
            *((Right(verb="delete", kind=PODS),) if ordered else ()),
            *((Right(verb="get", kind=POD_PROXY),) if self.change.asks_pods else ()),
        )

    def _not_restored(self) -> tuple[str, ...]:
        usual = (
            "the number of replicas and the autoscaler's limits",
            "the rollout strategy",
            "the content of ConfigMaps",
            "the content of Secrets",
        )
        image = self.change.destination.image
        rest = (
            f"everything in the pod template but the image {image}: its settings stay as they are"
        )
        volumes = "volume claims and the data on them"
        return (
            *((rest,) if image else ()),
            *usual,
            *((volumes,) if self.change.target.kind == "StatefulSet" else ()),
        )

    def _rollout_preflight(self) -> Preflight:
        workload = self.change.workload
        if self.change.paused:
            return warned(
                "Rollout",
                f"{self.change.live} is paused. The plan resumes it after the template has been "
                "reverted; whoever paused it should know.",
            )
        if not is_rolled_out(workload):
            return warned(
                "Rollout",
                f"A rollout is in progress ({progress_in(workload)}); going back supersedes it.",
            )
        return passed("Rollout", "No rollout is in progress.")

    def _replicas_preflight(self) -> Preflight:
        count = wanted_pods(self.change.workload)
        if count == 0:
            return warned(
                "Replicas",
                f"{self.change.live} stands at 0 replicas: the template goes "
                "back, but no pod will serve until it is scaled up.",
            )
        return passed(
            "Replicas", f"{amount(count, 'pod')} to be replaced, one group after the other."
        )

    def _update_preflights(self) -> tuple[Preflight, ...]:
        """What keeps pods from following the template, beside a pause."""
        workload, name = self.change.workload, "Update strategy"
        if update_strategy(workload) == "OnDelete":
            return (
                blocked(
                    name,
                    f"{self.change.live} updates OnDelete: its pods keep "
                    f"{self.change.from_release} until each is deleted by hand, so a changed "
                    "template rolls nothing back. Set spec.updateStrategy.type to RollingUpdate "
                    "and plan again.",
                ),
            )
        partition = partition_of(workload)
        if not partition:
            return ()
        label = self.change.service.version_label
        kept = [pod for pod in self.change.pods if is_partitioned_off(pod, workload)]
        bad = sorted(
            name_of(pod) for pod in kept if release_of(pod, label) == self.change.from_release
        )
        if bad:
            return (
                blocked(
                    name,
                    f"The partition {partition} keeps {', '.join(bad)} at "
                    f"{self.change.from_release}. Lower "
                    "spec.updateStrategy.rollingUpdate.partition to 0 and plan again.",
                ),
            )
        others = ", ".join(sorted(f"{name_of(pod)} ({release_of(pod, label)})" for pod in kept))
        return (
            warned(
                name,
                f"Only pods from ordinal {partition} on are replaced; the partition keeps "
                f"{others or 'the others'} as they are.",
            ),
        )

    def _downtime(self) -> str:
        if not recreates(self.change.workload):
            return "None"
        seconds = rollout_seconds(self.change.workload, self.change.template)
        return (
            f"About {seconds:.0f} s: the Deployment's strategy is Recreate, so all pods stop "
            "before the first new one starts"
        )
