"""What a rolling rollback changes, and what it sends to the API server for that."""

from __future__ import annotations

from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from bot.config.targets.rolling import RollingTarget
from bot.domain.values import Facts
from bot.ports.cluster import Kind, Manifest
from strategies.kubernetes.gitops import GitOpsGuard
from strategies.kubernetes.rollout_steps import version_port
from strategies.planning.rolling.broken import BrokenPods
from strategies.planning.rolling.targets import Destination, LiveWorkload
from strategies.preflights.dry_run import Deletion, Write
from strategies.steps.revert_template import revert_operations
from strategies.steps.rollout import WORKLOADS
from strategies.steps.set_paused import paused_operations


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
