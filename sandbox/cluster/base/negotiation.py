"""Which form of an answer a client accepts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from sandbox.cluster.base.errors import ApiError
from sandbox.cluster.base.types import Manifest

JSON = "application/json"
YAML = "application/yaml"


@dataclass(frozen=True, kw_only=True)
class MediaType:
    """A media type and its parameters, e.g. `as=Table`."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def transform(self) -> str:
        """`Table`, `PartialObjectMetadata(List)`, `APIGroupDiscoveryList` or nothing."""
        return self.parameters.get("as", "")

    def __str__(self) -> str:
        return ";".join([self.name, *(f"{key}={val}" for key, val in self.parameters.items())])


def accepted(header: str) -> Iterator[MediaType]:
    """The media types of an Accept header in the order given."""
    for part in (header or "*/*").split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        yield MediaType(name=name, parameters={key: value for key, _, value in pairs if key != "q"})


def negotiate(header: str, transforms: tuple[str, ...] = ()) -> MediaType:
    """The first acceptable form among those offered; raises ApiError 406."""
    for wanted in accepted(header):
        plain = wanted.name in {JSON, YAML, "application/*", "*/*"}
        supported = not wanted.transform or (
            wanted.transform in transforms and wanted.parameters.get("v") in {"v1", "v2"}
        )
        if plain and supported:
            name = YAML if wanted.name == YAML else JSON
            parameters = dict(wanted.parameters) if wanted.transform else {}
            return MediaType(name=name, parameters=parameters)
    raise ApiError(
        406,
        "NotAcceptable",
        f"only the following media types are accepted: {JSON}, {YAML}",
    )


def encode(body: Manifest, media_type: MediaType) -> bytes:
    """The body in the negotiated form."""
    if media_type.name == YAML:
        return yaml.safe_dump(body, sort_keys=False).encode()
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"
