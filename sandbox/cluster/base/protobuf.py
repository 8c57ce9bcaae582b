"""Requests in `application/vnd.kubernetes.protobuf`, which kubectl's typed clients send.

Only the kinds that kubectl creates through typed clients are known; the field numbers are those
of the `generated.proto` files of k8s.io/api and k8s.io/apimachinery. Answers are always JSON,
which these clients accept as well.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.cluster.base.errors import ApiError, bad_request
from sandbox.cluster.base.types import Manifest

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _BYTES = 0, 2


@dataclass(frozen=True, kw_only=True)
class _Field:
    """One field of a message. `optional`: a pointer in Go, kept when it is zero."""

    name: str
    kind: str
    repeated: bool
    optional: bool


def _message(text: str) -> Mapping[int, _Field]:
    """Reads `1 name str, 5 finalizers str*, 2 replicas int?`."""
    fields = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        number, name, kind = part.split()
        fields[int(number)] = _Field(
            name=name,
            kind=kind.rstrip("*?"),
            repeated=kind.endswith("*"),
            optional=kind.endswith("?"),
        )
    return fields


_OBJECT = "1 metadata ObjectMeta, 2 spec {kind}Spec, 3 status skip"
_MESSAGES: Mapping[str, Mapping[int, _Field]] = {
    name: _message(text)
    for name, text in {
        "ObjectMeta": "1 name str, 2 generateName str, 3 namespace str, 4 selfLink skip, 5 uid str,"
        "6 resourceVersion str, 7 generation int, 8 creationTimestamp skip,"
        "11 labels map_str, 12 annotations map_str, 14 finalizers str*",
        "DeleteOptions": "1 gracePeriodSeconds int?, 2 preconditions Preconditions,"
        "3 orphanDependents bool?, 4 propagationPolicy str, 5 dryRun str*",
        "Preconditions": "1 uid str, 2 resourceVersion str",
        "Eviction": "1 metadata ObjectMeta, 2 deleteOptions DeleteOptions",
        "Binding": "1 metadata ObjectMeta, 2 target ObjectReference",
        "ObjectReference": "1 kind str, 2 namespace str, 3 name str, 4 uid str, 5 apiVersion str,"
        "6 resourceVersion str, 7 fieldPath str",
        "SelfSubjectReview": "1 metadata ObjectMeta, 2 status skip",
        "SelfSubjectRulesReview": _OBJECT.format(kind="SelfSubjectRulesReview"),
        "SelfSubjectRulesReviewSpec": "1 namespace str",
        "SelfSubjectAccessReview": _OBJECT.format(kind="SelfSubjectAccessReview"),
        "SelfSubjectAccessReviewSpec": "1 resourceAttributes ResourceAttributes?,"
        "2 nonResourceAttributes NonResourceAttributes?",
        "ResourceAttributes": "1 namespace str, 2 verb str, 3 group str, 4 version str,"
        "5 resource str, 6 subresource str, 7 name str",
        "NonResourceAttributes": "1 path str, 2 verb str",
        "Namespace": _OBJECT.format(kind="Namespace"),
        "NamespaceSpec": "1 finalizers str*",
        "ConfigMap": "1 metadata ObjectMeta, 2 data map_str, 3 binaryData map_bytes,"
        "4 immutable bool?",
        "Secret": "1 metadata ObjectMeta, 2 data map_bytes, 3 type str, 4 stringData map_str,"
        "5 immutable bool?",
        "ServiceAccount": "1 metadata ObjectMeta",
        "Service": _OBJECT.format(kind="Service"),
        "ServiceSpec": "1 ports ServicePort*, 2 selector map_str, 3 clusterIP str, 4 type str,"
        "5 externalIPs str*, 7 sessionAffinity str, 8 loadBalancerIP str, 10 externalName str,"
        "11 externalTrafficPolicy str, 13 publishNotReadyAddresses bool, 18 clusterIPs str*",
        "ServicePort": "1 name str, 2 protocol str, 3 port int, 4 targetPort IntOrString,"
        "5 nodePort int, 6 appProtocol str",
        "Deployment": _OBJECT.format(kind="Deployment"),
        "DeploymentSpec": "1 replicas int?, 2 selector LabelSelector, 3 template PodTemplateSpec,"
        "4 strategy DeploymentStrategy, 5 minReadySeconds int, 6 revisionHistoryLimit int?,"
        "7 paused bool, 9 progressDeadlineSeconds int?",
        "DeploymentStrategy": "1 type str, 2 rollingUpdate RollingUpdate",
        "RollingUpdate": "1 maxUnavailable IntOrString, 2 maxSurge IntOrString",
        "LabelSelector": "1 matchLabels map_str, 2 matchExpressions Requirement*",
        "Requirement": "1 key str, 2 operator str, 3 values str*",
        "PodTemplateSpec": "1 metadata ObjectMeta, 2 spec PodSpec",
        "PodSpec": "2 containers Container*, 3 restartPolicy str,"
        "4 terminationGracePeriodSeconds int?, 6 dnsPolicy str, 7 nodeSelector map_str,"
        "8 serviceAccountName str, 9 serviceAccount str, 10 nodeName str, 11 hostNetwork bool,"
        "12 hostPID bool, 13 hostIPC bool, 16 hostname str, 17 subdomain str, 19 schedulerName str",
        "Container": "1 name str, 2 image str, 3 command str*, 4 args str*, 5 workingDir str,"
        "6 ports ContainerPort*, 7 env EnvVar*, 13 terminationMessagePath str,"
        "14 imagePullPolicy str, 16 stdin bool, 17 stdinOnce bool, 18 tty bool,"
        "20 terminationMessagePolicy str",
        "ContainerPort": "1 name str, 2 hostPort int, 3 containerPort int, 4 protocol str,"
        "5 hostIP str",
        "EnvVar": "1 name str, 2 value str",
        "HorizontalPodAutoscaler": _OBJECT.format(kind="HorizontalPodAutoscaler"),
        "HorizontalPodAutoscalerSpec": "1 scaleTargetRef CrossVersionObjectReference,"
        "2 minReplicas int?, 3 maxReplicas int, 4 metrics MetricSpec*",
        "CrossVersionObjectReference": "1 kind str, 2 name str, 3 apiVersion str",
        "MetricSpec": "1 type str, 4 resource ResourceMetricSource",
        "ResourceMetricSource": "1 name str, 2 target MetricTarget",
        "MetricTarget": "1 type str, 4 averageUtilization int?",
    }.items()
}


def decode(body: bytes) -> Manifest:
    """The object of a request body; 400 when it is malformed, 415 for what is not known here."""
    if not body.startswith(_MAGIC):
        raise bad_request("the object provided is unrecognized: no protobuf prefix")
    try:
        kind, version, raw = _envelope(body[len(_MAGIC) :])
        if kind not in _MESSAGES:
            raise _unknown(f"kind {kind}")
        return {"apiVersion": version, "kind": kind, **_decode(raw, kind)}
    except (IndexError, UnicodeDecodeError) as error:
        raise bad_request("the object provided is unrecognized: broken protobuf") from error


def _unknown(what: str) -> ApiError:
    return ApiError(
        415, "UnsupportedMediaType", f"{what} is not known in protobuf here: send application/json"
    )


def _envelope(data: bytes) -> tuple[str, str, bytes]:
    """Kind, apiVersion and payload of a `runtime.Unknown`."""
    version = kind = ""
    raw = b""
    for number, _, value in _fields(data):
        if number == 1:
            names = {inner: payload.decode() for inner, _, payload in _fields(value)}
            version, kind = names.get(1, ""), names.get(2, "")
        elif number == 2:
            raw = value
    return kind, version, raw


def _fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == _VARINT:
            value, at = _varint(data, at)
        elif wire == _BYTES:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise IndexError
            value, at = data[at : at + size], at + size
        else:
            raise _unknown(f"wire type {wire}")
        yield number, wire, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value - (1 << 64) if value >= 1 << 63 else value, at
        shift += 7


def _decode(data: bytes, message: str) -> Manifest:
    fields, found = _MESSAGES[message], dict[str, Any]()
    for number, _, value in _fields(data):
        field = fields.get(number)
        if field is None:
            # Go writes what is empty, too; only something that would be lost is refused.
            if value:
                raise _unknown(f"field {number} of {message}")
            continue
        if field.kind.startswith("map_"):
            found.setdefault(field.name, {}).update([_entry(value, field.kind)])
        elif field.repeated:
            found.setdefault(field.name, []).append(_value(value, field.kind))
        elif field.kind != "skip":
            read = _value(value, field.kind)
            if field.optional or read not in ("", 0, False, {}):
                found[field.name] = read
    return found


def _value(value: Any, kind: str) -> Any:
    if kind == "IntOrString":
        parts = {number: inner for number, _, inner in _fields(value)}
        return parts.get(3, b"").decode() if parts.get(1) else parts.get(2, 0)
    read = _SCALARS.get(kind)
    return read(value) if read is not None else _decode(value, kind)


_SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "str": lambda value: value.decode(),
    "int": int,
    "bool": bool,
}


def _entry(data: bytes, kind: str) -> tuple[str, str]:
    parts = {number: value for number, _, value in _fields(data)}
    key, value = parts.get(1, b"").decode(), parts.get(2, b"")
    return key, base64.b64encode(value).decode() if kind == "map_bytes" else value.decode()
