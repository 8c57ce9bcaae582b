"""A Kubernetes cluster, in plain JSON: a typed model would drop fields that it does not know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Protocol

from bot.core.values import Value

Manifest = dict[str, Any]


class Kind(Value):
    """A kind of object, as the API addresses it."""

    api_version: str
    """``v1``, ``apps/v1``."""
    plural: str


DEPLOYMENTS = Kind(api_version="apps/v1", plural="deployments")
REPLICA_SETS = Kind(api_version="apps/v1", plural="replicasets")
STATEFUL_SETS = Kind(api_version="apps/v1", plural="statefulsets")
DAEMON_SETS = Kind(api_version="apps/v1", plural="daemonsets")
CONTROLLER_REVISIONS = Kind(api_version="apps/v1", plural="controllerrevisions")
PODS = Kind(api_version="v1", plural="pods")
SERVICES = Kind(api_version="v1", plural="services")
CONFIG_MAPS = Kind(api_version="v1", plural="configmaps")
SECRETS = Kind(api_version="v1", plural="secrets")
EVENTS = Kind(api_version="v1", plural="events")
ENDPOINT_SLICES = Kind(api_version="discovery.k8s.io/v1", plural="endpointslices")
DISRUPTION_BUDGETS = Kind(api_version="policy/v1", plural="poddisruptionbudgets")
AUTOSCALERS = Kind(api_version="autoscaling/v2", plural="horizontalpodautoscalers")


class Right(Value):
    """A verb on a kind of object."""

    verb: str
    kind: Kind


class Change(Value):
    """One event of a watch."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    manifest: Manifest


class PodAnswer(Value):
    """What a pod answered through the API server's proxy."""

    status: int
    text: str


class Cluster(Protocol):
    """The part of the Kubernetes API that rollbacks need.

    Every method raises TemporaryError when the API server does not answer or is overloaded,
    NotFoundError and ForbiddenError as their names say, PermanentError for any other refusal.
    """

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """One object."""

    async def list(
        self, kind: Kind, namespace: str, *, labels: str = "", fields: str = ""
    ) -> tuple[Manifest, ...]:
        """All objects that match the selectors."""

    def watch(
        self, kind: Kind, namespace: str, *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Change]:
        """The objects that match now as ADDED, then every change, until the caller stops.

        Broken connections and expired resource versions are mended inside: the present state is
        then given again.
        """

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        operations: Sequence[Manifest],
        *,
        subresource: Literal["", "status"] = "",
        dry_run: bool = False,
    ) -> Manifest:
        """Apply a JSON Patch (RFC 6902) to the object, or to its status alone.

        Raises WorldMovedError when a ``test`` operation fails or the object has changed (409).
        """

    async def apply(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        manifest: Manifest,
        *,
        dry_run: bool = False,
        force: bool = False,
    ) -> Manifest:
        """Server-side apply: the manifest's fields become the bot's, all others stay.

        ``force`` takes fields over that another manager owns. Without it such a conflict raises
        WorldMovedError naming the manager; so does a ``metadata.resourceVersion`` in the manifest
        that is no longer the live one.
        """

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str, dry_run: bool = False
    ) -> None:
        """Delete exactly this object; returns when it is marked for deletion.

        Raises NotFoundError when it is gone, WorldMovedError when another one has its name (409).
        """

    async def may(self, verb: str, kind: Kind, namespace: str, *, name: str = "") -> bool:
        """Whether the bot has a right (SelfSubjectAccessReview)."""

    async def logs(
        self, namespace: str, pod: str, *, container: str, previous: bool = False, lines: int = 500
    ) -> str:
        """The last lines that a container wrote."""

    async def ask_pod(self, namespace: str, pod: str, port: int, path: str) -> PodAnswer:
        """GET a path of a pod through the API server's proxy; any HTTP status is an answer."""
