"""The real kubectl works with the sandbox as with any cluster."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.cluster.base.rbac import ADMIN_RULES, Rule, User
from sandbox.cluster.base.types import Manifest
from sandbox.cluster.cluster import Cluster
from tests.sandbox.cluster_world import GOOD, NAMESPACE, OTHER, deployment, quick_cluster, service

KUBECTL = shutil.which("kubectl")
USERS = {
    "admin-token": User(name="admin", rules=ADMIN_RULES),
    "viewer-token": User(name="viewer", rules=(Rule(verbs=("get", "list", "watch")),)),
}


@pytest.fixture(autouse=True)
def _kubectl_is_installed() -> None:
    if KUBECTL is None:
        if os.environ.get("CI") == "true":
            pytest.fail("kubectl is not installed, and CI must run these tests")
        pytest.skip("kubectl is not installed")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a kubectl command left."""

    code: int
    out: str
    err: str


@dataclass(kw_only=True)
class Kubectl:
    """Runs kubectl as one user, with a home of its own."""

    cluster: Cluster
    home: Path
    user: str = "admin"
    _environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = self.cluster.write_kubeconfig(
            self.home / f"{self.user}.yaml", user=self.user, namespace=NAMESPACE
        )
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "KUBECONFIG": str(config),
            "KUBECACHEDIR": str(self.home / "cache"),
        }

    async def run(self, *arguments: str, stdin: Manifest | None = None) -> Result:
        """One command; it must end within 15 s."""
        process = await asyncio.create_subprocess_exec(
            KUBECTL or "kubectl",
            *arguments,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        given = yaml.safe_dump(stdin).encode() if stdin is not None else b""
        try:
            async with asyncio.timeout(15):
                out, err = await process.communicate(given)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        return Result(code=process.returncode or 0, out=out.decode(), err=err.decode())

    async def __call__(self, command: str, stdin: Manifest | None = None) -> str:
        """A command that must succeed, as one would type it; its output."""
        result = await self.run(*command.split(), stdin=stdin)
        assert result.code == 0, result.err
        return result.out

    async def json(self, command: str) -> Any:
        """What `-o json` prints."""
        return json.loads(await self(f"{command} -o json"))

    def as_user(self, user: str) -> "Kubectl":
        return Kubectl(cluster=self.cluster, home=self.home, user=user)


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    async with quick_cluster(users=USERS) as cluster:
        yield Kubectl(cluster=cluster, home=tmp_path)


def rows(table: str) -> list[list[str]]:
    """The words of each line below the headings."""
    return [line.split() for line in table.splitlines()[1:]]


async def roll_out(kubectl: Kubectl, **spec: Any) -> None:
    await kubectl("apply -f -", deployment(**{"replicas": 2, **spec}))
    await kubectl("rollout status deploy/web --timeout=10s")


async def test_apply_and_get_show_what_runs(kubectl: Kubectl) -> None:
    created = await kubectl("apply -f -", deployment(replicas=2))
    assert created == "deployment.apps/web created\n"
    await kubectl("apply -f -", service("web", {"app": "web"}))
    done = await kubectl("rollout status deploy/web --timeout=10s")
    assert done.endswith('deployment "web" successfully rolled out\n')
    assert await kubectl("apply -f -", deployment(replicas=2)) == (
        "deployment.apps/web unchanged\n"
    )

    table = await kubectl("get deploy -o wide")
    assert table.split("\n")[0].split() == (
        ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    )
    [row] = rows(table)
    assert row[:4] == ["web", "2/2", "2", "2"]
    assert row[5:] == ["app", GOOD, "app=web"]
    replicasets = rows(await kubectl("get rs"))
    assert [row[1:4] for row in replicasets] == [["2", "2", "2"]]
    pods = rows(await kubectl("get pods -o wide"))
    assert [row[1:4] for row in pods] == [["1/1", "Running", "0"]] * 2
    assert all(row[6].startswith("node-") for row in pods)
    everything = await kubectl("get deploy,rs,pods,svc,endpointslices,nodes")
    assert "deployment.apps/web" in everything
    assert "endpointslice.discovery.k8s.io/web" in everything


async def test_an_update_is_recorded_and_undone(kubectl: Kubectl) -> None:
    await roll_out(kubectl)
    await kubectl("annotate deploy web kubernetes.io/change-cause=first")
    assert await kubectl(f"set image deploy/web app={OTHER}") == (
        "deployment.apps/web image updated\n"
    )
    await kubectl("rollout status deploy/web --timeout=10s")
    await kubectl("annotate deploy web kubernetes.io/change-cause=second --overwrite")
    history = rows(await kubectl("rollout history deploy/web"))
    assert [row for row in history if row and row[0].isdigit()] == [["1", "first"], ["2", "second"]]
    one = await kubectl("rollout history deploy/web --revision=1")
    assert GOOD in one

    undone = await kubectl("rollout undo deploy/web --to-revision=1")
    assert undone == "deployment.apps/web rolled back\n"
    await kubectl("rollout status deploy/web --timeout=10s")
    web = await kubectl.json("get deploy web")
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == GOOD
    assert web["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    unknown = await kubectl.run("rollout", "undo", "deploy/web", "--to-revision=9")
    assert "unable to find specified revision 9 in history" in unknown.err


async def test_a_paused_deployment_waits_until_it_is_resumed(kubectl: Kubectl) -> None:
    await roll_out(kubectl)
    await kubectl("rollout pause deploy/web")
    await kubectl(f"set image deploy/web app={OTHER}")
    assert len(rows(await kubectl("get rs"))) == 1
    refused = await kubectl.run("rollout", "undo", "deploy/web", "--to-revision=1")
    assert "cannot rollback a paused deployment" in refused.err

    await kubectl("rollout resume deploy/web")
    await kubectl("rollout status deploy/web --timeout=10s")
    assert len(rows(await kubectl("get rs"))) == 2


async def test_scale_and_every_kind_of_patch(kubectl: Kubectl) -> None:
    await roll_out(kubectl)
    await kubectl("scale deploy/web --replicas=3")
    await kubectl("rollout status deploy/web --timeout=10s")
    refused = await kubectl.run("scale", "deploy/web", "--current-replicas=7", "--replicas=1")
    assert "Expected replicas to be 7, was 3" in refused.err

    async def patch(kind: str, body: Any) -> Result:
        return await kubectl.run("patch", "deploy", "web", f"--type={kind}", "-p", json.dumps(body))

    container = {"name": "app", "env": [{"name": "COLOR", "value": "green"}]}
    template = {"spec": {"template": {"spec": {"containers": [container]}}}}
    assert (await patch("strategic", template)).out == "deployment.apps/web patched\n"
    assert (await patch("merge", {"spec": {"replicas": 1}})).code == 0
    test = {"op": "test", "path": "/spec/replicas", "value": 1}
    change = {"op": "replace", "path": "/spec/replicas", "value": 2}
    assert (await patch("json", [test, change])).code == 0
    failed = await patch("json", [test, change])
    assert failed.code == 1
    assert "The request is invalid" in failed.err

    web = await kubectl.json("get deploy web")
    assert web["spec"]["replicas"] == 2
    [container] = web["spec"]["template"]["spec"]["containers"]
    assert container["image"] == GOOD
    assert container["env"] == [{"name": "COLOR", "value": "green"}]


async def test_server_side_apply_refuses_to_take_fields_from_others(kubectl: Kubectl) -> None:
    applied = await kubectl("apply --server-side -f -", deployment(replicas=2))
    assert applied == "deployment.apps/web serverside-applied\n"
    await kubectl("scale deploy/web --replicas=3")
    arguments = ("apply", "--server-side", "-f", "-")
    refused = await kubectl.run(*arguments, stdin=deployment(replicas=2))
    assert refused.code == 1
    assert (
        'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using '
        "apps/v1: .spec.replicas"
    ) in refused.err

    await kubectl("apply --server-side --force-conflicts -f -", deployment(replicas=2))
    assert (await kubectl.json("get deploy web"))["spec"]["replicas"] == 2


async def test_client_side_apply_removes_what_the_file_no_longer_has(kubectl: Kubectl) -> None:
    await kubectl("apply -f -", deployment(replicas=1, minReadySeconds=1))
    dry = await kubectl("apply --dry-run=server -f -", deployment(replicas=4))
    assert dry == "deployment.apps/web configured (server dry run)\n"
    assert await kubectl("apply -f -", deployment(replicas=1)) == (
        "deployment.apps/web configured\n"
    )
    web = await kubectl.json("get deploy web")
    assert "minReadySeconds" not in web["spec"]
    # A file that was applied by the client can be taken over by the server.
    await kubectl("apply --server-side -f -", deployment(replicas=1))


async def test_describe_tells_the_story_with_its_events(kubectl: Kubectl) -> None:
    await roll_out(kubectl)
    story = await kubectl("describe deploy web")

    assert "2 desired | 2 updated | 2 total | 2 available | 0 unavailable" in story
    assert "NewReplicaSetAvailable" in story
    assert "Scaled up replica set web-" in story
    pod = await kubectl("describe pod -l app=web")
    assert "Successfully assigned" in pod


async def test_logs_labels_annotations_and_deletion(kubectl: Kubectl) -> None:
    await roll_out(kubectl)
    lines = await kubectl("logs deploy/web --tail=5")
    assert lines.strip()
    await kubectl("label deploy web team=shop")
    await kubectl("annotate deploy web note=hello")
    metadata = (await kubectl.json("get deploy web"))["metadata"]
    assert metadata["labels"]["team"] == "shop"
    assert metadata["annotations"]["note"] == "hello"
    assert (await kubectl("get deploy -l team=shop -o name")).strip() == "deployment.apps/web"

    pod = (await kubectl("get pods -o name")).split()[0]
    assert "deleted" in await kubectl(f"delete {pod}")
    await kubectl("rollout status deploy/web --timeout=10s")
    assert pod not in await kubectl("get pods -o name")
    await kubectl("delete deploy web --cascade=foreground")
    assert await kubectl("get deploy,rs,pods") == ""


async def test_a_watch_prints_each_change(kubectl: Kubectl) -> None:
    await kubectl("apply -f -", deployment(replicas=1))
    process = await asyncio.create_subprocess_exec(
        KUBECTL or "kubectl",
        *("get", "deploy", "web", "-w", "--output-watch-events"),
        env=kubectl._environment,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    seen = []
    try:
        async with asyncio.timeout(10):
            seen.append((await process.stdout.readline()).split()[:2])
            seen.append((await process.stdout.readline()).split()[:2])
            await kubectl("scale deploy/web --replicas=2")
            while b"2/2" not in seen[-1]:
                words = (await process.stdout.readline()).split()
                seen.append([words[0], words[2]])
    finally:
        process.kill()
        await process.wait()

    assert seen[0] == [b"EVENT", b"NAME"]
    assert seen[1] == [b"ADDED", b"web"]
    assert seen[-1] == [b"MODIFIED", b"2/2"]


async def test_rights_are_asked_and_kept(kubectl: Kubectl) -> None:
    await kubectl("apply -f -", deployment(replicas=1))
    viewer = kubectl.as_user("viewer")

    assert await kubectl("auth can-i patch deployments") == "yes\n"
    refused = await viewer.run("auth", "can-i", "patch", "deployments.apps")
    assert (refused.code, refused.out) == (1, "no\n")
    assert "[get list watch]" in await viewer("auth can-i --list")
    forbidden = await viewer.run("delete", "deploy", "web")
    assert forbidden.err == (
        'Error from server (Forbidden): deployments.apps "web" is forbidden: User "viewer" cannot '
        'delete resource "deployments" in API group "apps" in the namespace "shop"\n'
    )


async def test_objects_of_typed_commands_arrive_too(kubectl: Kubectl) -> None:
    await kubectl(f"create deployment typed --image={GOOD} --replicas=2")
    await kubectl("create configmap settings --from-literal=mode=safe")
    await kubectl("create secret generic keys --from-literal=key=value")
    await kubectl("autoscale deployment typed --max=4 --cpu-percent=60")
    typed = await kubectl.json("get deploy typed")

    assert typed["spec"]["replicas"] == 2
    assert typed["spec"]["template"]["spec"]["containers"][0]["image"] == GOOD
    assert (await kubectl.json("get cm settings"))["data"] == {"mode": "safe"}
    assert "Deployment/typed" in await kubectl("get hpa typed")


async def test_a_missing_object_and_a_wrong_one_are_refused_in_the_known_words(
    kubectl: Kubectl,
) -> None:
    missing = await kubectl.run("get", "deploy", "nothing")
    assert missing.err == ('Error from server (NotFound): deployments.apps "nothing" not found\n')
    wrong = deployment(replicas=-1)
    refused = await kubectl.run("apply", "-f", "-", stdin=wrong)
    assert refused.err == (
        'The Deployment "web" is invalid: spec.replicas: Invalid value: -1: must be greater than '
        "or equal to 0\n"
    )
