"""What a pod takes from ConfigMaps and Secrets: environment and files."""

import base64
from collections.abc import Iterator

from sandbox.cluster.base.resources import CONFIGMAPS, SECRETS
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import GVR, Manifest


class MissingConfigurationError(Exception):
    """A ConfigMap, Secret or key that the container needs does not exist."""


class Configuration:
    """Resolves references within one namespace."""

    def __init__(self, store: ObjectStore, pod: Manifest, pod_ip: str) -> None:
        self._store = store
        self._pod = pod
        self._pod_ip = pod_ip

    def environment(self, container: Manifest) -> dict[str, str]:
        """The container's variables; raises MissingConfigurationError."""
        env: dict[str, str] = {}
        for source in container.get("envFrom") or []:
            prefix = source.get("prefix", "")
            for gvr, reference in _references(source, "Ref"):
                data = self._data(gvr, reference["name"], optional=reference.get("optional"))
                env.update({prefix + key: value for key, value in data.items()})
        for variable in container.get("env") or []:
            value = self._value(variable)
            if value is not None:
                env[variable["name"]] = value
        return env

    def files(self, container: Manifest) -> dict[str, str]:
        """Contents by path of what is mounted; raises MissingConfigurationError."""
        volumes = {v["name"]: v for v in self._pod["spec"].get("volumes") or []}
        mounted: dict[str, str] = {}
        for mount in container.get("volumeMounts") or []:
            for name, text in self._volume(volumes.get(mount["name"], {})).items():
                mounted[f"{mount['mountPath'].rstrip('/')}/{name}"] = text
        return mounted

    def _volume(self, volume: Manifest) -> dict[str, str]:
        if config := volume.get("configMap"):
            return self._data(CONFIGMAPS, config["name"], optional=config.get("optional"))
        if secret := volume.get("secret"):
            return self._data(SECRETS, secret["secretName"], optional=secret.get("optional"))
        return {}

    def _value(self, variable: Manifest) -> str | None:
        source = variable.get("valueFrom")
        if source is None:
            return str(variable.get("value", ""))
        if field := source.get("fieldRef"):
            return self._field(field["fieldPath"])
        for gvr, reference in _references(source, "KeyRef"):
            optional = reference.get("optional")
            data = self._data(gvr, reference["name"], optional=optional)
            if reference["key"] in data:
                return data[reference["key"]]
            if not optional:
                where = f"{self._pod['metadata']['namespace']}/{reference['name']}"
                what = "ConfigMap" if gvr == CONFIGMAPS else "Secret"
                raise MissingConfigurationError(
                    f"couldn't find key {reference['key']} in {what} {where}"
                )
        return None

    def _field(self, path: str) -> str:
        fields = {
            "metadata.name": self._pod["metadata"]["name"],
            "metadata.namespace": self._pod["metadata"]["namespace"],
            "metadata.uid": self._pod["metadata"]["uid"],
            "spec.nodeName": self._pod["spec"]["nodeName"],
            "status.podIP": self._pod_ip,
        }
        for kind in ("labels", "annotations"):
            for key, value in (self._pod["metadata"].get(kind) or {}).items():
                fields[f"metadata.{kind}['{key}']"] = value
        return str(fields.get(path, ""))

    def _data(self, gvr: GVR, name: str, *, optional: bool | None) -> dict[str, str]:
        found = self._store.peek(gvr, self._pod["metadata"]["namespace"], name)
        if found is None:
            if optional:
                return {}
            kind = "configmap" if gvr == CONFIGMAPS else "secret"
            raise MissingConfigurationError(f'{kind} "{name}" not found')
        data = found.get("data") or {}
        if gvr == SECRETS:
            return {key: base64.b64decode(value).decode() for key, value in data.items()}
        return dict(data)


def _references(source: Manifest, suffix: str) -> Iterator[tuple[GVR, Manifest]]:
    for kind, gvr in (("configMap", CONFIGMAPS), ("secret", SECRETS)):
        if reference := source.get(kind + suffix):
            yield gvr, reference
