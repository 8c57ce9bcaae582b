"""The ConfigMaps and Secrets that a pod cannot start without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from bot.domain.values import Value


class Reference(Value):
    """A ConfigMap or Secret that a pod template names as required."""

    kind: Literal["ConfigMap", "Secret"]
    name: str


def required_references(template: Mapping[str, Any]) -> tuple[Reference, ...]:
    """What the template's volumes and containers need, each once; optional ones are left out.

    Image pull secrets are left out too: a pod starts without them where the image is public.
    """
    spec = template.get("spec") or {}
    found = [*_of_volumes(spec), *_of_environment(spec)]
    return tuple(sorted(set(found), key=lambda reference: (reference.kind, reference.name)))


def _of_volumes(spec: Mapping[str, Any]) -> Iterator[Reference]:
    for volume in spec.get("volumes") or []:
        projected = (volume.get("projected") or {}).get("sources") or []
        for source in (volume, *projected):
            yield from _of_source(source.get("configMap"), "ConfigMap", "name")
            # A Secret volume calls it secretName, a projected source calls it name.
            yield from _of_source(source.get("secret"), "Secret", "secretName", "name")


def _of_environment(spec: Mapping[str, Any]) -> Iterator[Reference]:
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        for source in container.get("envFrom") or []:
            yield from _of_source(source.get("configMapRef"), "ConfigMap", "name")
            yield from _of_source(source.get("secretRef"), "Secret", "name")
        for variable in container.get("env") or []:
            origin = variable.get("valueFrom") or {}
            yield from _of_source(origin.get("configMapKeyRef"), "ConfigMap", "name")
            yield from _of_source(origin.get("secretKeyRef"), "Secret", "name")


def _of_source(
    source: Mapping[str, Any] | None, kind: Literal["ConfigMap", "Secret"], *keys: str
) -> Iterator[Reference]:
    if not source or source.get("optional"):
        return
    name = next((source[key] for key in keys if source.get(key)), "")
    if name:
        yield Reference(kind=kind, name=name)
