"""The manifest for the bot itself fits the bot: its account, addresses, variables and rights."""

from __future__ import annotations

from typing import Any

import yaml

from bot.catalog.settings import Settings
from tests.docs.pages import ROOT

MANIFESTS = {
    one["kind"]: one
    for one in yaml.safe_load_all((ROOT / "deploy" / "deployment.yaml").read_text())
}
POD: dict[str, Any] = MANIFESTS["Deployment"]["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
OTHERS = {"HOME", "MPLCONFIGDIR"}
"""Read by libraries."""


def test_it_runs_under_the_account_that_has_the_rights() -> None:
    rbac = list(yaml.safe_load_all((ROOT / "deploy" / "rbac.yaml").read_text()))
    [account] = [one["metadata"] for one in rbac if one["kind"] == "ServiceAccount"]
    assert account["name"] == POD["serviceAccountName"]
    assert {one["metadata"]["namespace"] for one in MANIFESTS.values()} == {account["namespace"]}


def test_every_variable_is_one_that_the_bot_reads() -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert {one["name"] for one in CONTAINER["env"]} <= known | OTHERS


def test_the_probes_ask_what_the_bot_answers() -> None:
    source = (ROOT / "bot" / "entry" / "web.py").read_text()
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert f'add_get("{CONTAINER[probe]["httpGet"]["path"]}"' in source
    values = {one["name"]: one["value"] for one in CONTAINER["env"]}
    [port] = CONTAINER["ports"]
    assert values["ROLLBACK_PORT"] == str(port["containerPort"])


def test_it_may_write_nowhere_but_where_it_must() -> None:
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
    writable = {one["mountPath"] for one in CONTAINER["volumeMounts"] if not one.get("readOnly")}
    assert writable == {"/var/lib/rollback-bot", "/tmp"}  # noqa: S108 - a mount of the pod
    assert {one["name"] for one in POD["volumes"]} == {
        one["name"] for one in CONTAINER["volumeMounts"]
    }


def test_everything_selects_the_pods_of_the_deployment() -> None:
    labels = MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert MANIFESTS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS["Service"]["spec"]["selector"] == labels
    assert MANIFESTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
