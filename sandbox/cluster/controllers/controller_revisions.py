"""ControllerRevisions: the history of a StatefulSet's or DaemonSet's pod template.

After `pkg/controller/history` and `getStatefulSetRevisions`.
"""

from collections.abc import Iterable

from sandbox.cluster.base.resources import CONTROLLER_REVISIONS
from sandbox.cluster.base.types import Manifest, clone
from sandbox.cluster.controllers.access import Access
from sandbox.cluster.controllers.hashing import short_hash
from sandbox.cluster.controllers.objects import (
    annotations_of,
    comparable_template,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
)
from sandbox.cluster.controllers.rollout_math import history_limit

REVISION_LABEL = "controller-revision-hash"


def revision_label(pod: Manifest) -> str:
    """The name (StatefulSet) or hash (DaemonSet) of the revision a pod was made from."""
    return labels_of(pod).get(REVISION_LABEL, "")


def template_of(revision: Manifest) -> Manifest:
    """The pod template that the revision keeps."""
    template: Manifest = clone(revision["data"]["spec"]["template"])
    template.pop("$patch", None)
    return template


class RevisionHistory:
    """Reads and writes the revisions of one owner."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def list(self, owner: Manifest) -> list[Manifest]:
        """The owner's revisions, lowest number first."""
        return sorted(self._access.owned(CONTROLLER_REVISIONS, owner), key=lambda r: r["revision"])

    def current(self, owner: Manifest, revisions: Iterable[Manifest]) -> Manifest:
        """The revision of the owner's template now: found, renumbered as newest, or created."""
        known = sorted(revisions, key=lambda r: r["revision"])
        template = comparable_template(owner["spec"]["template"])
        equal = [r for r in known if comparable_template(template_of(r)) == template]
        newest = known[-1]["revision"] if known else 0
        if not equal:
            return self._create(owner, newest + 1)
        found = equal[-1]
        if found["revision"] == newest:
            return found

        def renumber(revision: Manifest) -> None:
            revision["revision"] = newest + 1

        return self._access.change(CONTROLLER_REVISIONS, found, renumber)

    def _create(self, owner: Manifest, number: int) -> Manifest:
        template = clone(owner["spec"]["template"])
        hashed = short_hash(comparable_template(template))
        revision = {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": f"{name_of(owner)}-{hashed}",
                "namespace": namespace_of(owner),
                "labels": {**labels_of(template), REVISION_LABEL: hashed},
                "annotations": dict(annotations_of(owner)),
                "ownerReferences": [owner_reference(owner)],
            },
            "data": {"spec": {"template": {"$patch": "replace", **template}}},
            "revision": number,
        }
        return self._access.create(CONTROLLER_REVISIONS, revision)

    def trim(self, owner: Manifest, revisions: Iterable[Manifest], live: set[str]) -> None:
        """Deletes the oldest revisions beyond `revisionHistoryLimit` that nothing uses.

        `live` are names or hashes in use.
        """
        idle = [
            r
            for r in sorted(revisions, key=lambda r: r["revision"])
            if name_of(r) not in live and revision_label(r) not in live
        ]
        for revision in idle[: max(0, len(idle) - history_limit(owner))]:
            self._access.delete(CONTROLLER_REVISIONS, revision)
