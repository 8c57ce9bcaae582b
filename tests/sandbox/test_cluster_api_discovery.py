"""What is served, custom resources among it, and how `kubectl get` shows it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.cluster_api_support import (
    APPLY,
    DEPLOYMENTS,
    MERGE_PATCH,
    PODS,
    STRATEGIC,
    Api,
    deployment,
    pod,
    running_api,
)

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ROLLOUTS = "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts"
DEFINITION: dict[str, Any] = {
    "metadata": {"name": "rollouts.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "scope": "Namespaced",
        "names": {"plural": "rollouts", "kind": "Rollout", "shortNames": ["ro"]},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "steps": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["name"],
                                    }
                                },
                            }
                        },
                    }
                },
                "subresources": {
                    "status": {},
                    "scale": {
                        "specReplicasPath": ".spec.replicas",
                        "statusReplicasPath": ".status.replicas",
                    },
                },
                "additionalPrinterColumns": [
                    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"}
                ],
            }
        ],
    },
}


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with running_api() as running:
        yield running


async def test_both_forms_of_discovery_name_the_same_resources(api: Api) -> None:
    aggregated = (await api("GET", "/apis", accept=AGGREGATED)).ok()
    assert aggregated["kind"] == "APIGroupDiscoveryList"
    groups = {
        group["metadata"]["name"]: [each["version"] for each in group["versions"]]
        for group in aggregated["items"]
    }
    assert groups["autoscaling"] == ["v2", "v1"]

    legacy = (await api("GET", "/apis")).ok()
    assert {group["name"] for group in legacy["groups"]} == groups.keys()
    resources = (await api("GET", "/apis/apps/v1")).ok()["resources"]
    assert {"deployments", "deployments/status", "deployments/scale"} <= {
        each["name"] for each in resources
    }


async def test_openapi_says_that_patches_take_dry_run_and_field_validation(api: Api) -> None:
    index = (await api("GET", "/openapi/v3")).ok()
    path = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    document = (await api("GET", path)).ok()
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]

    assert {"dryRun", "fieldValidation"} <= {each["name"] for each in patch["parameters"]}


async def test_a_table_has_the_columns_that_kubectl_prints(api: Api) -> None:
    await api.create(DEPLOYMENTS, deployment(replicas=2))
    table = (await api("GET", DEPLOYMENTS, accept=TABLE)).ok()
    columns = [(each["name"], each["priority"]) for each in table["columnDefinitions"]]

    assert table["kind"] == "Table"
    assert columns == [
        ("Name", 0),
        ("Ready", 0),
        ("Up-to-date", 0),
        ("Available", 0),
        ("Age", 0),
        ("Containers", 1),
        ("Images", 1),
        ("Selector", 1),
    ]
    cells = table["rows"][0]["cells"]
    assert cells[:4] == ["web", "0/2", 0, 0]
    assert cells[5:] == ["web,sidecar", "web:1,sidecar:1", "app=web"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({"phase": "Running"}, "Running"),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
         "CrashLoopBackOff"),
        ({"containerStatuses": [{"state": {"terminated": {"exitCode": 137}}}]}, "ExitCode:137"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled"}}}]}, "OOMKilled"),
        ({"reason": "Evicted", "phase": "Failed"}, "Evicted"),
    ],
)  # fmt: skip
async def test_a_pods_status_says_why_it_does_not_run(
    api: Api, status: dict[str, Any], shown: str
) -> None:
    await api.create(PODS, pod("a"))
    await api.patch(f"{PODS}/a/status", {"status": status}, MERGE_PATCH)
    row = (await api("GET", f"{PODS}/a", accept=TABLE)).ok()["rows"][0]

    assert row["cells"][2] == shown


async def test_a_definition_serves_its_resource_until_it_is_deleted(api: Api) -> None:
    rollout: dict[str, Any] = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "anything": {"goes": True}},
    }
    assert (await api("POST", ROLLOUTS, rollout)).status == 404
    definition = await api.create(CRDS, DEFINITION)
    assert definition["status"]["conditions"][1]["type"] == "Established"
    await api.create(ROLLOUTS, rollout)
    path = f"{ROLLOUTS}/web"

    rollout["spec"]["replicas"] = 3
    unconditional = await api("PUT", path, rollout)
    assert unconditional.status == 422
    assert "must be specified for an update" in unconditional.body["message"]
    scaled = await api.patch(f"{path}/scale", {"spec": {"replicas": 5}}, MERGE_PATCH)
    assert scaled.ok()["spec"] == {"replicas": 5}
    status = {"status": {"phase": "Degraded"}, "metadata": {"labels": {"no": "way"}}}
    reported = (await api.patch(f"{path}/status", status, MERGE_PATCH)).ok()
    assert reported["metadata"]["generation"] == 2
    assert "labels" not in reported["metadata"]
    assert (await api.patch(path, {}, STRATEGIC)).status == 415
    table = (await api("GET", ROLLOUTS, accept=TABLE)).ok()
    assert [each["name"] for each in table["columnDefinitions"]] == ["Name", "Phase"]
    assert table["rows"][0]["cells"] == ["web", "Degraded"]

    await api("DELETE", f"{CRDS}/rollouts.argoproj.io")
    assert (await api("GET", ROLLOUTS)).status == 404


async def test_a_definitions_schema_says_how_lists_are_applied(api: Api) -> None:
    await api.create(CRDS, DEFINITION)
    for manager, step in (("a", "one"), ("b", "two")):
        obj = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": "web"},
            "spec": {"steps": [{"name": step}]},
        }
        applied = await api.patch(f"{ROLLOUTS}/web", obj, APPLY, fieldManager=manager)

    assert {each["name"] for each in applied.ok()["spec"]["steps"]} == {"one", "two"}
