"""What the server fills in, and what it refuses with the causes named."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.cluster_api_support import (
    APPLY,
    CONFIGMAPS,
    DEPLOYMENTS,
    MERGE_PATCH,
    PODS,
    SERVICES,
    Answer,
    Api,
    configmap,
    deployment,
    pod,
    running_api,
)

HPAS = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with running_api() as running:
        yield running


def causes(refused: Answer) -> dict[str, str]:
    """Reason by field of a 422."""
    assert (refused.status, refused.body["reason"]) == (422, "Invalid"), refused.body
    return {each["field"]: each["reason"] for each in refused.body["details"]["causes"]}


async def test_a_deployment_is_completed_with_the_documented_defaults(api: Api) -> None:
    spec = (await api.create(DEPLOYMENTS, deployment()))["spec"]

    assert spec["replicas"] == 1
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    template = spec["template"]["spec"]
    assert template["restartPolicy"] == "Always"
    assert template["terminationGracePeriodSeconds"] == 30
    assert template["containers"][0]["imagePullPolicy"] == "IfNotPresent"


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("web", "Always"),
        ("web:latest", "Always"),
        ("registry:5000/web", "Always"),
        ("registry:5000/web:1", "IfNotPresent"),
        ("web@sha256:0123", "IfNotPresent"),
    ],
)
async def test_an_image_is_pulled_always_only_without_a_fixed_version(
    api: Api, image: str, policy: str
) -> None:
    obj = pod("a")
    obj["spec"]["containers"][0]["image"] = image
    created = await api.create(PODS, obj)

    assert created["spec"]["containers"][0]["imagePullPolicy"] == policy


async def test_a_new_pod_is_pending_and_tolerates_lost_nodes_for_a_while(api: Api) -> None:
    created = await api.create(PODS, pod("a"))

    assert created["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert [each["tolerationSeconds"] for each in created["spec"]["tolerations"]] == [300, 300]


async def test_services_get_addresses_of_their_own_and_keep_them(api: Api) -> None:
    ports = [{"port": 80}]
    created = [
        await api.create(SERVICES, {"metadata": {"name": name}, "spec": {"ports": ports}})
        for name in ("a", "b")
    ]
    addresses = {each["spec"]["clusterIP"] for each in created}
    assert len(addresses) == 2
    assert created[0]["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]

    replaced = {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 81}]}}
    kept = (await api("PUT", f"{SERVICES}/a", replaced)).ok()
    assert kept["spec"]["clusterIP"] == created[0]["spec"]["clusterIP"]
    moved = {"spec": {"clusterIP": "10.96.9.9"}}
    assert causes(await api.patch(f"{SERVICES}/a", moved, MERGE_PATCH)) == {
        "spec.clusterIPs[0]": "FieldValueInvalid"
    }


async def test_secrets_are_stored_encoded(api: Api) -> None:
    secret = {"metadata": {"name": "s"}, "stringData": {"password": "hunter2"}}
    created = await api.create("/api/v1/namespaces/default/secrets", secret)

    assert base64.b64decode(created["data"]["password"]) == b"hunter2"
    assert "stringData" not in created


async def test_every_broken_rule_of_a_deployment_is_named(api: Api) -> None:
    obj = deployment()
    obj["spec"]["replicas"] = -1
    obj["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    containers = obj["spec"]["template"]["spec"]["containers"]
    containers[0]["name"] = "Web"
    containers[1].pop("image")
    containers[1]["volumeMounts"] = [{"name": "missing", "mountPath": "/x"}]

    refused = await api("POST", DEPLOYMENTS, obj)
    at = "spec.template.spec.containers"
    assert causes(refused) == {
        "spec.replicas": "FieldValueInvalid",
        "spec.template.metadata.labels": "FieldValueInvalid",
        f"{at}[0].name": "FieldValueInvalid",
        f"{at}[1].image": "FieldValueRequired",
        f"{at}[1].volumeMounts[0].name": "FieldValueNotFound",
    }
    assert refused.body["message"].startswith('Deployment.apps "web" is invalid: [spec.replicas: ')


async def test_a_deployments_selector_cannot_change(api: Api) -> None:
    await api.create(DEPLOYMENTS, deployment())
    labels = {"app": "web", "more": "1"}
    patch = {
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}},
        }
    }
    refused = await api.patch(f"{DEPLOYMENTS}/web", patch, MERGE_PATCH)

    assert causes(refused) == {"spec.selector": "FieldValueInvalid"}
    assert refused.body["message"] == (
        'Deployment.apps "web" is invalid: spec.selector: Invalid value: '
        '{"matchLabels":{"app":"web","more":"1"}}: field is immutable'
    )


@pytest.mark.parametrize(
    ("strategy", "field"),
    [
        ({"type": "BlueGreen"}, "spec.strategy.type"),
        ({"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}, "spec.strategy.rollingUpdate"),
        (
            {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}},
            "spec.strategy.rollingUpdate.maxUnavailable",
        ),
    ],
)
async def test_a_strategy_must_make_sense(api: Api, strategy: dict[str, Any], field: str) -> None:
    refused = await api("POST", DEPLOYMENTS, deployment(strategy=strategy))

    assert causes(refused).keys() == {field}


async def test_a_running_pod_can_change_little_but_its_images(api: Api) -> None:
    await api.create(PODS, pod("a"))
    container = {"name": "app", "image": "app:2"}
    strategic = "application/strategic-merge-patch+json"
    changed = await api.patch(f"{PODS}/a", {"spec": {"containers": [container]}}, strategic)
    assert changed.ok()["spec"]["containers"][0]["image"] == "app:2"

    refused = await api.patch(f"{PODS}/a", {"spec": {"nodeName": "node-1"}}, MERGE_PATCH)
    assert causes(refused) == {"spec": "FieldValueForbidden"}
    assert "pod updates may not change fields other than" in refused.body["message"]


async def test_an_autoscalers_limits_must_fit(api: Api) -> None:
    target = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}
    spec = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 2}
    obj = {"metadata": {"name": "web"}, "spec": spec}
    assert causes(await api("POST", HPAS, obj)) == {"spec.maxReplicas": "FieldValueInvalid"}

    spec["maxReplicas"] = 5
    await api.create(HPAS, obj)
    older = (await api("GET", f"{HPAS.replace('v2', 'v1')}/web")).ok()
    assert older["apiVersion"] == "autoscaling/v1"
    assert older["spec"]["targetCPUUtilizationPercentage"] == 80


@pytest.mark.parametrize("name", ["UPPER", "under_score", "-dash", "a" * 254])
async def test_names_follow_dns(api: Api, name: str) -> None:
    assert causes(await api("POST", CONFIGMAPS, configmap(name))).keys() == {"metadata.name"}


async def test_the_body_must_be_what_the_path_says(api: Api) -> None:
    wrong_kind = await api("POST", CONFIGMAPS, {"kind": "Secret", "metadata": {"name": "a"}})
    wrong_namespace = configmap("a")
    wrong_namespace["metadata"]["namespace"] = "kube-system"
    await api.create(CONFIGMAPS, configmap("b"))

    assert wrong_kind.status == 400
    refused = await api("POST", CONFIGMAPS, wrong_namespace)
    assert "does not match the namespace sent on the request" in refused.body["message"]
    renamed = await api("PUT", f"{CONFIGMAPS}/b", configmap("c"))
    assert renamed.body["message"] == (
        "the name of the object (c) does not match the name on the URL (b)"
    )
    assert (await api("POST", CONFIGMAPS, b"{not json")).status == 400


async def test_a_value_of_the_wrong_type_is_a_bad_request(api: Api) -> None:
    refused = await api("POST", DEPLOYMENTS, deployment(replicas="three"))
    assert refused.status == 400
    assert refused.body["message"] == (
        'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal '
        "string into Go struct field DeploymentSpec.spec.replicas of type int32"
    )
    await api.create(DEPLOYMENTS, deployment())
    for spec in ({"replicas": "x"}, {"template": {"spec": {"containers": "none"}}}, "nothing"):
        patch = {"spec": spec}
        assert (await api.patch(f"{DEPLOYMENTS}/web", patch, MERGE_PATCH)).status == 400


async def test_unknown_fields_are_refused_or_warned_of_as_the_client_asks(api: Api) -> None:
    obj = deployment(typo=True)
    strict = await api("POST", DEPLOYMENTS, obj, fieldValidation="Strict")
    assert strict.status == 400
    assert strict.body["message"] == (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
        'unknown field "spec.typo"'
    )
    warned = await api("POST", DEPLOYMENTS, obj)
    assert warned.status == 201
    assert warned.headers["Warning"] == '299 - "unknown field \\"spec.typo\\""'

    # What is there already is nobody's fault.
    path = f"{DEPLOYMENTS}/web"
    patch = {"spec": {"replicas": 2}}
    assert (await api.patch(path, patch, MERGE_PATCH, fieldValidation="Strict")).status == 200


async def test_server_side_apply_needs_a_schema_for_every_field(api: Api) -> None:
    applied = await api.patch(f"{DEPLOYMENTS}/web", deployment(typo=True), APPLY, fieldManager="ci")

    assert applied.status == 500
    assert applied.body["message"].endswith(".spec.typo: field not declared in schema")


async def test_an_immutable_configmap_stays_as_it_is(api: Api) -> None:
    await api.create(CONFIGMAPS, {**configmap("a", {"k": "1"}), "immutable": True})
    refused = await api.patch(f"{CONFIGMAPS}/a", {"data": {"k": "2"}}, MERGE_PATCH)

    assert causes(refused) == {"data": "FieldValueForbidden"}
