"""Rules of pods and pod templates, after kubernetes `pkg/apis/core/validation`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sandbox.cluster.base.errors import Cause
from sandbox.cluster.base.names import LABEL_DETAIL, is_dns_label
from sandbox.cluster.base.types import Manifest, clone

_ENV_NAME = re.compile(r"^[^=\x00-\x1f]+$")
_POLICIES = {"Always", "Never", "OnFailure"}
_PULL_POLICIES = {"Always", "IfNotPresent", "Never"}
_IMMUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)"
)


def pod_spec_causes(spec: Manifest, at: str) -> Iterator[Cause]:
    """What is wrong with a pod's specification; `at` is its path."""
    if not spec.get("containers"):
        yield Cause.required(f"{at}.containers")
    volumes = {volume.get("name") for volume in spec.get("volumes") or []}
    if spec.get("restartPolicy") not in _POLICIES:
        yield Cause.not_supported(f"{at}.restartPolicy", spec.get("restartPolicy"), _POLICIES)
    seen: set[str] = set()
    for field in ("initContainers", "containers"):
        for number, container in enumerate(spec.get(field) or []):
            place = f"{at}.{field}[{number}]"
            yield from _container_causes(container, place, volumes)
            name = container.get("name", "")
            if name in seen:
                yield Cause.duplicate(f"{place}.name", name)
            seen.add(name)


def _container_causes(container: Manifest, at: str, volumes: set[object]) -> Iterator[Cause]:
    name = container.get("name")
    if not name:
        yield Cause.required(f"{at}.name")
    elif not is_dns_label(name):
        yield Cause.invalid(f"{at}.name", name, LABEL_DETAIL)
    if not container.get("image"):
        yield Cause.required(f"{at}.image")
    policy = container.get("imagePullPolicy", "Always")
    if policy not in _PULL_POLICIES:
        yield Cause.not_supported(f"{at}.imagePullPolicy", policy, _PULL_POLICIES)
    yield from _port_causes(container, at)
    yield from _env_causes(container, at)
    for number, mount in enumerate(container.get("volumeMounts") or []):
        if mount.get("name") not in volumes:
            yield Cause(
                field=f"{at}.volumeMounts[{number}].name",
                reason="FieldValueNotFound",
                message=f'Not found: "{mount.get("name", "")}"',
            )


def _port_causes(container: Manifest, at: str) -> Iterator[Cause]:
    for number, port in enumerate(container.get("ports") or []):
        value = port.get("containerPort")
        if value is None:
            yield Cause.required(f"{at}.ports[{number}].containerPort")
        elif not isinstance(value, int) or not 0 < value < 65536:
            detail = "must be between 1 and 65535, inclusive"
            yield Cause.invalid(f"{at}.ports[{number}].containerPort", value, detail)


def _env_causes(container: Manifest, at: str) -> Iterator[Cause]:
    for number, variable in enumerate(container.get("env") or []):
        if not variable.get("name"):
            yield Cause.required(f"{at}.env[{number}].name")
        elif not _ENV_NAME.match(variable["name"]):
            detail = "a valid environment variable name must consist only of printable characters"
            yield Cause.invalid(f"{at}.env[{number}].name", variable["name"], detail)


def pod_update_causes(new: Manifest, old: Manifest) -> Iterator[Cause]:
    """A pod's specification is all but immutable."""
    if _fixed(new["spec"]) != _fixed(old["spec"]):
        yield Cause.forbidden("spec", _IMMUTABLE)
    added = new["spec"].get("tolerations") or []
    if any(toleration not in added for toleration in old["spec"].get("tolerations") or []):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        yield Cause.forbidden("spec.tolerations", detail)


def _fixed(spec: Manifest) -> Manifest:
    fixed = clone(spec)
    for field in ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"):
        fixed.pop(field, None)
    for field in ("containers", "initContainers"):
        for container in fixed.get(field) or []:
            container.pop("image", None)
    return fixed
