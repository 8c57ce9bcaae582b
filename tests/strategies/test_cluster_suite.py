"""The suite for any cluster runs against a control plane without kubelets, and cleans up."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from sandbox.cluster.base.resources import NAMESPACES, NODES
from sandbox.cluster.cluster import Cluster

ROOT = Path(__file__).parents[2]


async def test_the_cluster_suite_needs_an_api_server_and_controllers_only(tmp_path: Path) -> None:
    async with Cluster(kubelets=0) as cluster:
        before = [one["metadata"]["name"] for one in cluster.store.list(NAMESPACES)]
        kubeconfig = cluster.write_kubeconfig(tmp_path / "kubeconfig")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
            "-k", "endpoints_of_the_service or stuck_behind",
            "tests/cluster",
            cwd=ROOT,
            env={**os.environ, "KUBECONFIG_TEST": str(kubeconfig)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        assert "2 passed" in output.decode()
        assert cluster.store.list(NODES) == []
        assert [one["metadata"]["name"] for one in cluster.store.list(NAMESPACES)] == before
