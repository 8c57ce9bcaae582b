"""Credentials that end, and kubeconfigs of every shape, against an API server."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.clouds.kubernetes import api
from bot.clouds.kubernetes.cluster import KubernetesCluster
from bot.clouds.kubernetes.logins import connect_cluster
from bot.clouds.kubernetes.objects import SERVICES
from bot.core.backoff import Backoff
from bot.core.errors import ConfigurationError, PermanentError, TemporaryError
from sandbox.cluster.base.rbac import ADMIN_RULES, User
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.node.images import ImageRegistry
from sandbox.cluster.node.timings import QUICK
from sandbox.shop import manifests

SHOP = "shop"
EXEC_API = "client.authentication.k8s.io/v1"


@pytest.fixture
async def server() -> AsyncIterator[Cluster]:
    users = {"admin-token": User(name="admin", rules=ADMIN_RULES)}
    async with Cluster(images=ImageRegistry(), timings=QUICK, users=users) as cluster:
        cluster.apply(manifests.checkout_service("blue"))
        yield cluster


def kubeconfig(path: Path, address: str, user: dict[str, Any], *, context: str = "shop") -> Path:
    """A file with one context of this name."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": {"server": address}}],
        "users": [{"name": f"{context}-user", "user": user}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": f"{context}-user"}}],
        "current-context": context,
    }
    path.write_text(yaml.safe_dump(config))
    return path


def helper(folder: Path) -> dict[str, Any]:
    """A login helper that says what stands in ``credential`` and counts how often it is asked."""
    program = folder / "login-helper"
    program.write_text(f"#!/bin/sh\necho asked >> {folder}/asked\ncat {folder}/credential\n")
    program.chmod(0o700)
    return {"exec": {"apiVersion": EXEC_API, "command": str(program), "interactiveMode": "Never"}}


def credential(folder: Path, token: str) -> None:
    said = {"apiVersion": EXEC_API, "kind": "ExecCredential", "status": {"token": token}}
    (folder / "credential").write_text(json.dumps(said))


@asynccontextmanager
async def connected(*paths: Path) -> AsyncIterator[KubernetesCluster]:
    client = await connect_cluster({"KUBECONFIG": os.pathsep.join(map(str, paths))})
    try:
        yield client
    finally:
        await client.close()


def selector(colour: str) -> list[dict[str, str]]:
    return [{"op": "replace", "path": "/spec/selector/version", "value": colour}]


async def test_a_token_that_ended_is_asked_for_again_even_in_the_middle_of_a_change(
    server: Cluster, tmp_path: Path
) -> None:
    credential(tmp_path, "ended-token")
    async with connected(kubeconfig(tmp_path / "config", server.url, helper(tmp_path))) as client:
        credential(tmp_path, "admin-token")
        changed = await client.patch(SERVICES, SHOP, "checkout", selector("green"))
        assert changed["spec"]["selector"]["version"] == "green"
        assert await client.get(SERVICES, SHOP, "checkout")
    assert (tmp_path / "asked").read_text().count("asked") == 2


async def test_a_rotated_token_file_is_read_again_whatever_its_last_line_break(
    server: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("ended-token\n")
    async with connected(
        kubeconfig(tmp_path / "config", server.url, {"tokenFile": "token"})
    ) as client:
        (tmp_path / "token").write_text("admin-token\n")
        assert await client.get(SERVICES, SHOP, "checkout")


async def test_a_watch_signs_in_anew_and_goes_on(server: Cluster, tmp_path: Path) -> None:
    credential(tmp_path, "admin-token")
    async with connected(kubeconfig(tmp_path / "config", server.url, helper(tmp_path))) as client:
        changes = client.watch(SERVICES, SHOP)
        assert (await anext(changes)).type == "ADDED"
        server.server.faults.answer(401, verb="watch")
        server.server.faults.drop_watches()
        server.apply(manifests.checkout_service("green"))
        assert (await anext(changes)).manifest["spec"]["selector"]["version"] == "green"
        await changes.aclose()  # type: ignore[attr-defined]  # an iterator to the port


async def test_credentials_that_stay_refused_are_said_once_and_not_asked_for_every_time(
    server: Cluster, tmp_path: Path
) -> None:
    credential(tmp_path, "ended-token")
    async with connected(kubeconfig(tmp_path / "config", server.url, helper(tmp_path))) as client:
        for _ in range(3):
            with pytest.raises(PermanentError, match="does not accept the bot's credentials"):
                await client.get(SERVICES, SHOP, "checkout")
    assert (tmp_path / "asked").read_text().count("asked") == 2


async def test_a_helper_that_fails_later_is_waited_for(server: Cluster, tmp_path: Path) -> None:
    credential(tmp_path, "ended-token")
    async with connected(kubeconfig(tmp_path / "config", server.url, helper(tmp_path))) as client:
        (tmp_path / "login-helper").write_text("#!/bin/sh\necho session over >&2\nexit 1\n")
        with pytest.raises(TemporaryError, match=r"credentials have ended.*session over"):
            await client.ask_pod(SHOP, "any", 8080, "/")


@pytest.mark.parametrize(
    ("command", "why"),
    [("no-such-helper", "No such file"), ("false", "process returned 1")],
)
async def test_a_helper_that_fails_at_the_start_is_an_error_and_nobody_becomes_anonymous(
    server: Cluster, tmp_path: Path, command: str, why: str
) -> None:
    user = {"exec": {"apiVersion": EXEC_API, "command": command, "installHint": "Get it at x.y."}}
    path = kubeconfig(tmp_path / "config", server.url, user)
    with pytest.raises(ConfigurationError, match=rf"helper {command} failed: .*{why}.*Get it at"):
        await connect_cluster({"KUBECONFIG": str(path)})


async def test_a_kubeconfig_that_impersonates_is_refused_for_it_would_be_more_than_was_meant(
    server: Cluster, tmp_path: Path
) -> None:
    user = {"token": "admin-token", "as": "rollback-bot"}
    path = kubeconfig(tmp_path / "config", server.url, user)
    with pytest.raises(ConfigurationError, match="impersonates rollback-bot"):
        await connect_cluster({"KUBECONFIG": str(path)})


async def test_of_several_kubeconfigs_the_first_chooses_the_cluster_as_for_kubectl(
    server: Cluster, tmp_path: Path
) -> None:
    first = kubeconfig(tmp_path / "first", server.url, {"token": "admin-token"})
    other = kubeconfig(tmp_path / "other", "http://127.0.0.1:1", {"token": "x"}, context="other")
    async with connected(first, other) as client:
        assert await client.get(SERVICES, SHOP, "checkout")


async def test_a_changed_kubeconfig_never_leads_the_bot_to_another_cluster(
    server: Cluster, tmp_path: Path
) -> None:
    path = kubeconfig(tmp_path / "config", server.url, {"token": "ended-token"})
    async with connected(path) as client:
        kubeconfig(path, "http://127.0.0.1:1", {"token": "admin-token"})
        with pytest.raises(ConfigurationError, match="leads to another API server by now"):
            await client.get(SERVICES, SHOP, "checkout")


async def test_who_was_known_before_is_not_given_up_when_fresh_credentials_are_refused_for_a_while(
    server: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "BACKOFF", Backoff(first=0.01, longest=0.01))
    credential(tmp_path, "admin-token")
    async with connected(kubeconfig(tmp_path / "config", server.url, helper(tmp_path))) as client:
        assert await client.get(SERVICES, SHOP, "checkout")
        server.server.faults.answer(401, verb="get", times=3)
        assert await client.get(SERVICES, SHOP, "checkout")
        server.server.faults.answer(401, verb="get", times=9)
        with pytest.raises(TemporaryError, match=r"any more.*Log in again"):
            await client.get(SERVICES, SHOP, "checkout")
    assert (tmp_path / "asked").read_text().count("asked") == 2


async def test_however_often_the_bot_calls_it_asks_for_fresh_credentials_again_in_time(
    server: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "BACKOFF", Backoff(first=0.01, longest=0.01))
    monkeypatch.setattr(api, "REFUSED_SECONDS", 0.1)
    credential(tmp_path, "admin-token")
    async with connected(kubeconfig(tmp_path / "config", server.url, helper(tmp_path))) as client:
        assert await client.get(SERVICES, SHOP, "checkout")
        server.server.faults.answer(401, verb="get", times=10_000)
        async with asyncio.timeout(10):
            while (tmp_path / "asked").read_text().count("asked") < 4:
                with pytest.raises(TemporaryError):
                    await client.get(SERVICES, SHOP, "checkout")
