"""The shell commands about pods, for the hours in which the bot itself is not there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bot.clouds.kubernetes.rollouts import first_ordinal_updated, is_partitioned_off
from strategies.kubernetes.pods import gone_command


@pytest.mark.parametrize(("left", "ended"), [("", True), ("pod/payments-1", False)])
def test_pods_that_are_gone_before_the_wait_begins_are_no_failure(
    tmp_path: Path, left: str, ended: bool
) -> None:
    kubectl = tmp_path / "kubectl"
    # kubectl wait: “error: no matching resources found”, or a timeout.
    kubectl.write_text(f'#!/bin/sh\n[ "$3" = get ] || exit 1\n[ -z "{left}" ] || echo "{left}"\n')
    kubectl.chmod(0o755)
    command = gone_command("shop", "app=payments", 30.0)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    shell = subprocess.run(["sh", "-c", command], env=environment, check=False)
    assert (shell.returncode == 0) is ended


def stateful_set(*, start: int, partition: int) -> dict[str, object]:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}
    return {
        "kind": "StatefulSet",
        "spec": {"ordinals": {"start": start}, "updateStrategy": strategy},
    }


def test_a_partition_counts_from_the_first_ordinal_and_concerns_stateful_sets_only() -> None:
    pod = {"metadata": {"name": "payments-6"}}
    assert first_ordinal_updated(stateful_set(start=5, partition=2)) == 7
    assert is_partitioned_off(pod, stateful_set(start=5, partition=2))
    assert not is_partitioned_off(pod, stateful_set(start=5, partition=1))
    unnumbered = {"metadata": {"name": "payments-x7k2p"}}
    assert not is_partitioned_off(unnumbered, {"kind": "DaemonSet", "spec": {}})
