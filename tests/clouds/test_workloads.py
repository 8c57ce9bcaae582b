"""Reading workloads, ownership and references from manifests alone."""

from __future__ import annotations

from typing import Any

import pytest

from bot.clouds.kubernetes.ownership import gitops_owner, last_writer
from bot.clouds.kubernetes.rollouts import doomed_reason, is_complete, same_template
from bot.clouds.kubernetes.workloads import (
    image_tag,
    release_of,
    reports_release,
    required_references,
    selector_of,
    selects,
)


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("shop/checkout:v2.0.0", "v2.0.0"),
        ("registry:5000/shop/checkout", "latest"),
        ("registry:5000/shop/checkout:v2@sha256:abc", "v2"),
        ("shop/checkout@sha256:0123456789abcdef", "sha256:0123456789ab"),
    ],
)
def test_the_release_of_an_image_is_its_tag_else_its_digest(image: str, tag: str) -> None:
    assert image_tag(image) == tag


def test_the_version_label_counts_before_the_image_tag() -> None:
    pod = {
        "metadata": {"labels": {"app.kubernetes.io/version": "v2.0.0"}},
        "spec": {"containers": [{"image": "shop/checkout:build-77"}]},
    }
    assert release_of(pod, "app.kubernetes.io/version") == "v2.0.0"
    assert release_of(pod, "release") == "build-77"


@pytest.mark.parametrize(
    ("answer", "yes"),
    [
        ('{"version": "v2.0.0", "commit": "abc"}', True),
        ("2.0.0\n", True),
        ('"v2.0.0"', True),
        ("checkout v2.0.0, built yesterday", True),
        ('{"version": "v2.0.0-broken"}', False),
        ("v2.0.01", False),
        ('{"commit": "v2.0.0"}', False),
        ("", False),
    ],
)
def test_a_version_answer_must_name_exactly_the_release(answer: str, *, yes: bool) -> None:
    assert reports_release(answer, "v2.0.0") is yes


def test_templates_are_compared_without_what_controllers_and_old_servers_add() -> None:
    spec = {"containers": [{"image": "a"}]}
    of_replica_set = {
        "metadata": {
            "creationTimestamp": None,
            "labels": {"app": "x", "pod-template-hash": "5d4"},
        },
        "spec": spec,
    }
    assert same_template(of_replica_set, {"metadata": {"labels": {"app": "x"}}, "spec": spec})
    assert not same_template(of_replica_set, {"metadata": {"labels": {"app": "y"}}, "spec": spec})


def deployment(**status: int) -> dict[str, Any]:
    return {"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status}


@pytest.mark.parametrize(
    ("status", "complete"),
    [
        ({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}, 1),
        ({"observedGeneration": 1, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}, 0),
        ({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 3, "availableReplicas": 3}, 0),
        ({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 4, "availableReplicas": 4}, 0),
        ({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 2}, 0),
    ],
)
def test_a_rollout_is_complete_by_the_rule_of_kubectl(
    status: dict[str, int], complete: int
) -> None:
    assert is_complete(deployment(**status)) is bool(complete)


def test_a_pod_that_only_starts_slowly_is_not_doomed() -> None:
    def waiting(reason: str) -> dict[str, Any]:
        state = {"waiting": {"reason": reason, "message": "no such image"}}
        return {"status": {"containerStatuses": [{"name": "app", "state": state}]}}

    assert doomed_reason(waiting("ContainerCreating")) == ""
    assert doomed_reason(waiting("ImagePullBackOff")) == (
        "ImagePullBackOff in container app: no such image"
    )


def test_selectors_with_expressions_are_written_and_evaluated() -> None:
    selector = {
        "matchLabels": {"app": "x"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["web", "api"]},
            {"key": "old", "operator": "DoesNotExist"},
        ],
    }
    assert selector_of({"spec": {"selector": selector}}) == "app=x,tier in (web,api),!old"
    assert selects(selector, {"app": "x", "tier": "web"})
    assert not selects(selector, {"app": "x", "tier": "web", "old": "yes"})


def written(manager: str, time: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields, **more}


def test_the_last_writer_of_a_field_is_named_and_status_writes_are_not() -> None:
    selector: dict[str, Any] = {"f:spec": {"f:selector": {}}}
    entries = [
        written("kubectl-patch", "2026-07-31T10:00:00Z", selector),
        written("argocd", "2026-07-31T11:00:00Z", {"f:metadata": {}}),
        written("controller", "2026-07-31T12:00:00Z", selector, subresource="status"),
    ]
    service = {"metadata": {"name": "x", "managedFields": entries}}
    assert last_writer(service, "spec", "selector") == (
        "kubectl-patch (Update) at 2026-07-31 10:00:00 UTC"
    )


def test_two_writers_within_the_same_second_are_both_named() -> None:
    selector: dict[str, Any] = {"f:spec": {"f:selector": {}}}
    entries = [
        written("ci", "2026-07-31T10:00:00Z", selector),
        written("kubectl-edit", "2026-07-31T10:00:00Z", selector),
    ]
    service = {"metadata": {"name": "x", "managedFields": entries}}
    assert last_writer(service, "spec", "selector").startswith(
        "ci (Update) or kubectl-edit (Update) at "
    )


def test_the_bot_is_not_named_beside_others_of_the_same_second_but_is_when_alone() -> None:
    selector: dict[str, Any] = {"f:spec": {"f:selector": {}}}
    own = written("rollback-bot", "2026-07-31T10:00:00Z", selector)
    other = written("kubectl-edit", "2026-07-31T10:00:00Z", selector)
    beside = {"metadata": {"name": "x", "managedFields": [own, other]}}
    assert last_writer(beside, "spec", "selector").startswith("kubectl-edit (Update) at ")
    alone = {"metadata": {"name": "x", "managedFields": [own]}}
    assert last_writer(alone, "spec", "selector").startswith("rollback-bot (Update) at ")


def test_gitops_owners_are_told_by_their_tracking_marks_and_helm_alone_is_none() -> None:
    def owner(labels: dict[str, str], annotations: dict[str, str] | None = None) -> str:
        metadata = {"name": "x", "labels": labels, "annotations": annotations or {}}
        return str(gitops_owner({"metadata": metadata}))

    flux = {
        "kustomize.toolkit.fluxcd.io/name": "apps",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
    }
    tracked = {"argocd.argoproj.io/tracking-id": "team-a_shop:apps/Deployment:shop/checkout"}
    assert owner(flux) == "Flux Kustomization flux-system/apps"
    assert owner({}, tracked) == "Argo CD Application team-a/shop"
    assert owner({"app.kubernetes.io/instance": "my-helm-release"}) == "None"


def test_required_config_maps_and_secrets_are_found_wherever_a_pod_names_them() -> None:
    template = {
        "spec": {
            "volumes": [
                {"secret": {"secretName": "tls"}},
                {"projected": {"sources": [{"configMap": {"name": "ca"}}]}},
                {"configMap": {"name": "maybe", "optional": True}},
            ],
            "containers": [
                {
                    "envFrom": [{"configMapRef": {"name": "settings"}}],
                    "env": [{"valueFrom": {"secretKeyRef": {"name": "token", "key": "t"}}}],
                }
            ],
        }
    }
    found = [f"{one.kind} {one.name}" for one in required_references(template)]
    assert found == ["ConfigMap ca", "ConfigMap settings", "Secret tls", "Secret token"]
