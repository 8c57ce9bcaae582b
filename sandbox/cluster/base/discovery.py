"""What the server serves: `/version`, `/api`, `/apis` and the lists of resources."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from sandbox.cluster.base.resources import ResourceCatalog, ResourceType
from sandbox.cluster.base.types import Manifest

VERSION: Manifest = {
    "major": "1",
    "minor": "33",
    "gitVersion": "v1.33.1",
    "gitCommit": "8adc0f041b8e7ad1d30e29cc59c6ae7a15e19828",
    "gitTreeState": "clean",
    "buildDate": "2025-05-15T08:19:08Z",
    "goVersion": "go1.24.2",
    "compiler": "gc",
    "platform": "linux/amd64",
}
# Reviews are answered, never stored.
REVIEWS = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    ("authorization.k8s.io", "selfsubjectrulesreviews"): "SelfSubjectRulesReview",
    ("authentication.k8s.io", "selfsubjectreviews"): "SelfSubjectReview",
}
_SUBRESOURCE_KINDS = {
    "eviction": ("policy", "v1", "Eviction", ("create",)),
    "binding": ("", "v1", "Binding", ("create",)),
    "log": ("", "v1", "", ("get",)),
    "proxy": ("", "v1", "", ("create", "delete", "get", "patch", "update")),
}


def _group_versions(catalog: ResourceCatalog) -> list[tuple[str, list[str]]]:
    """Groups with their versions, the preferred one first."""
    pairs = {(each.gvr.group, each.gvr.version) for each in catalog}
    pairs |= {(group, "v1") for group, _ in REVIEWS}
    ordered = sorted(pairs, key=lambda pair: (pair[0], not pair[1].startswith("v2"), pair[1]))
    return [
        (group, [version for _, version in versions])
        for group, versions in groupby(ordered, key=lambda pair: pair[0])
    ]


def api_versions() -> Manifest:
    """`/api`."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def api_groups(catalog: ResourceCatalog) -> Manifest:
    """`/apis`."""
    groups = [_group(group, versions) for group, versions in _group_versions(catalog) if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(catalog: ResourceCatalog, wanted: str) -> Manifest | None:
    """`/apis/{group}`, or None when it is not served."""
    for group, versions in _group_versions(catalog):
        if group == wanted:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, versions)}
    return None


def _group(group: str, versions: list[str]) -> Manifest:
    served = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": served, "preferredVersion": served[0]}


def resource_list(catalog: ResourceCatalog, group: str, version: str) -> Manifest | None:
    """`/api/v1` and `/apis/{group}/{version}`, or None when it is not served."""
    resources: list[Manifest] = []
    for each in _of(catalog, group, version):
        resources += _legacy(each)
    if version == "v1":
        resources += [
            {"name": name, "singularName": "", "namespaced": False, "kind": kind,
             "verbs": ["create"]}
            for (review_group, name), kind in REVIEWS.items()
            if review_group == group
        ]  # fmt: skip
    if not resources:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": resources,
    }


def _of(catalog: ResourceCatalog, group: str, version: str) -> Iterable[ResourceType]:
    return (each for each in catalog if (each.gvr.group, each.gvr.version) == (group, version))


def _singular(resource: ResourceType) -> str:
    return resource.singular or resource.kind.lower()


def _legacy(resource: ResourceType) -> list[Manifest]:
    name = resource.gvr.resource
    main: Manifest = {
        "name": name,
        "singularName": _singular(resource),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        main["shortNames"] = list(resource.short_names)
    if resource.categories:
        main["categories"] = list(resource.categories)
    subresources = [
        {
            "name": f"{name}/{sub}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **({"group": group, "version": version} if kind != resource.kind else {}),
            "kind": kind,
            "verbs": list(verbs),
        }
        for sub, group, version, kind, verbs in _subresources(resource)
    ]
    return [main, *subresources]


def _subresources(
    resource: ResourceType,
) -> Iterable[tuple[str, str, str, str, tuple[str, ...]]]:
    if resource.status:
        yield "status", resource.gvr.group, resource.gvr.version, resource.kind, _READ_WRITE
    if resource.scale:
        yield "scale", "autoscaling", "v1", "Scale", _READ_WRITE
    for sub in resource.subresources:
        group, version, kind, verbs = _SUBRESOURCE_KINDS[sub]
        yield sub, group, version, kind or resource.kind, verbs


_READ_WRITE = ("get", "patch", "update")


def aggregated(catalog: ResourceCatalog, *, core: bool) -> Manifest:
    """`/api` or `/apis` as one APIGroupDiscoveryList (apidiscovery.k8s.io/v2)."""
    items = [
        {
            "metadata": {"name": group, "creationTimestamp": None} if group else {},
            "versions": [
                {
                    "version": version,
                    "freshness": "Current",
                    "resources": _aggregated_resources(catalog, group, version),
                }
                for version in versions
            ],
        }
        for group, versions in _group_versions(catalog)
        if (group == "") == core
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _aggregated_resources(catalog: ResourceCatalog, group: str, version: str) -> list[Manifest]:
    found = [_aggregated_resource(each) for each in _of(catalog, group, version)]
    if version == "v1":
        found += [
            {
                "resource": name,
                "responseKind": {"group": group, "version": "v1", "kind": kind},
                "scope": "Cluster",
                "singularResource": kind.lower(),
                "verbs": ["create"],
            }
            for (review_group, name), kind in REVIEWS.items()
            if review_group == group
        ]
    return found


def _aggregated_resource(resource: ResourceType) -> Manifest:
    gvr = resource.gvr
    described: Manifest = {
        "resource": gvr.resource,
        "responseKind": {"group": gvr.group, "version": gvr.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": _singular(resource),
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        described["shortNames"] = list(resource.short_names)
    if resource.categories:
        described["categories"] = list(resource.categories)
    subresources = [
        {
            "subresource": sub,
            "responseKind": {"group": group, "version": version, "kind": kind},
            "verbs": list(verbs),
        }
        for sub, group, version, kind, verbs in _subresources(resource)
    ]
    if subresources:
        described["subresources"] = subresources
    return described
