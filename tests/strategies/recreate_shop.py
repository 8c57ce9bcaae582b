"""payments with the old release in a ReplicaSet or in a file, for a recreation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bot.catalog.service import ServiceEntry
from bot.engine.world import World
from sandbox.cluster.cluster import Cluster
from sandbox.shop import delivery, manifests
from tests.strategies.support import NAMESPACE, Shop, payments


def service(manifest: str = "revision", **target: str) -> ServiceEntry:
    entry = {
        "strategy": "recreate",
        "namespace": NAMESPACE,
        "deployment": "payments",
        "manifest": manifest,
        **target,
    }
    return payments(rollback=[entry])


@pytest.fixture
async def revision(sandbox: Cluster, world: World) -> Shop:
    """payments: two pods of v2.0.0, then of v2.1.0; the old template is in a ReplicaSet."""
    for manifest in [*manifests.payments_configuration(), manifests.payments_service()]:
        sandbox.apply(manifest)
    for version in ("v2.0.0", "v2.1.0"):
        sandbox.apply(manifests.payments_deployment(version, replicas=2))
        await delivery.rolled_out(sandbox, "payments")
    return Shop(cluster=sandbox, world=world, strategy="recreate", service=service())


@pytest.fixture
def files(revision: Shop, tmp_path: Path) -> Shop:
    """The same with the manifests of both releases in a directory, as ``k8s/`` of a repository."""
    for version in ("v2.0.0", "v2.1.0"):
        documents = [
            manifests.payments_service(),
            manifests.payments_deployment(version, replicas=7),
        ]
        text = yaml.safe_dump_all(documents)
        (tmp_path / f"deployment-{version}.yaml").write_text(text, encoding="utf-8")
    return replace(revision, service=service(f"{tmp_path}/deployment-{{release}}.yaml"))


@pytest.fixture(params=["revision", "files"])
def either(request: pytest.FixtureRequest) -> Shop:
    """Both sources of the old release in turn."""
    found: Shop = request.getfixturevalue(request.param)
    return found
