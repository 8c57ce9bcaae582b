"""The pods behind which an OrderedReady StatefulSet stays stuck, also after its template is right.

See ``strategies.steps.delete_broken_pods``.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from bot.domain.rollouts import (
    REVISION_LABEL,
    first_ordinal_updated,
    is_ordered,
    is_partitioned_off,
    mark_of,
    mark_on,
    ordinal_of,
    target_marks,
)
from bot.domain.values import Facts
from bot.domain.workloads import is_ready, is_terminating, name_of, selector_of
from bot.ports.cluster import PODS, Manifest
from strategies.commands import kubectl
from strategies.planning.rolling.targets import LiveWorkload
from strategies.preflights.dry_run import Deletion


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
