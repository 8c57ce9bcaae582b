"""Where a rolling workload can go: to one of its revisions, or to another image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict, model_validator

from bot.catalog.target import Target
from bot.catalog.types import Namespace
from bot.clouds.kubernetes.objects import Manifest
from bot.clouds.kubernetes.rollouts import (
    WorkloadKind,
    bare_template,
    kind_of,
    number_of,
    template_in,
)
from bot.clouds.kubernetes.workloads import (
    annotations_of,
    image_tag,
    labels_of,
    name_of,
    release_of,
    same_release,
)
from bot.core.errors import RefusedError
from bot.core.values import Facts
from bot.incident.plan import Candidate
from strategies.common.choice import Option
from strategies.kubernetes.workload import others, portable_annotations

# Rolling back on Kubernetes by a workload's revision.


def _either_name(schema: dict[str, Any]) -> None:
    """The short form for editors: pydantic does not know what a validator accepts."""
    schema["properties"]["deployment"] = {
        "type": "string",
        "description": "Short for `kind: Deployment` and `workload`.",
    }
    schema["required"].remove("workload")
    schema["oneOf"] = [{"required": ["workload"]}, {"required": ["deployment"]}]


class RollingTarget(Target):
    """A workload that is rolled back by revision, or by image where no revision is left.

    ``deployment: name`` is short for ``kind: Deployment`` and ``workload: name``.
    """

    model_config = ConfigDict(json_schema_extra=_either_name)

    strategy: Literal["rolling"]
    namespace: Namespace
    kind: WorkloadKind = "Deployment"
    workload: str
    """Name of the workload."""

    @model_validator(mode="before")
    @classmethod
    def _deployment_is_short(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "deployment" not in given:
            return given
        if "workload" in given or given.get("kind", "Deployment") != "Deployment":
            raise ValueError("name either a deployment, or a kind and a workload")
        rest = {key: value for key, value in given.items() if key != "deployment"}
        return {**rest, "workload": given["deployment"]}


@dataclass(frozen=True, kw_only=True)
class LiveWorkload:
    """The workload as it is now, with its revisions, the newest first."""

    target: RollingTarget
    workload: Manifest
    revisions: tuple[Manifest, ...]
    release: str

    def __str__(self) -> str:
        return f"{self.target.kind} {self.target.workload}"

    @property
    def others(self) -> tuple[Manifest, ...]:
        """Revisions with another template than the live one."""
        return others(self.workload, self.revisions)


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A template that the workload can be given."""

    option: Option
    template: Facts
    annotations: dict[str, str] | None
    """What a Deployment is annotated with afterwards; None for the other kinds."""
    revision: int | None
    """None for an image: the workload has no revision with this release."""
    container: str = ""
    image: str = ""


def by_revision(live: LiveWorkload, version_label: str) -> list[Destination]:
    """One for each of ``live.others``, in the same order."""
    return [_of_revision(live, one, version_label) for one in live.others]


def _of_revision(live: LiveWorkload, revision: Manifest, version_label: str) -> Destination:
    number = number_of(revision)
    cause = annotations_of(revision).get("kubernetes.io/change-cause", "")
    template = template_in(revision)
    return Destination(
        option=Option(
            candidate=Candidate(
                release=release_of(template, version_label),
                detail=f"revision {number}" + (f": {cause}" if cause else ""),
            ),
            aliases=frozenset({str(number), name_of(revision)}),
        ),
        template=bare_template(template),
        annotations=_annotations(live, revision),
        revision=number,
    )


def by_image(
    live: LiveWorkload, version_label: str, *, target: str | None, known_good: Sequence[str]
) -> list[Destination]:
    """Releases without a revision that one can reach by another image.

    Those known to be good, an image that is named in full, and, where the workload has no
    revision left, a tag that is asked for: elsewhere a mistyped release would become an image.
    """
    revisions = by_revision(live, version_label)
    present = [live.release, *(one.option.candidate.release for one in revisions)]
    wanted = [one for one in known_good if not any(same_release(one, had) for had in present)]
    found = [one for tag in wanted if (one := _of_image(live, tag, version_label))]
    numbers = {alias for one in revisions for alias in one.option.aliases}
    if target and target not in {*present, *wanted, *numbers} and _may_be_image(target, revisions):
        asked = _of_image(live, target, version_label)
        found += [asked] if asked else []
    return found


def _may_be_image(target: str, revisions: Sequence[Destination]) -> bool:
    return "/" in target or ":" in target or (not revisions and not target.isdigit())


def _of_image(live: LiveWorkload, wanted: str, version_label: str) -> Destination | None:
    """The live template with another image in the container that names the release."""
    template = bare_template(live.workload["spec"]["template"])
    first = template["spec"]["containers"][0]
    old = str(first["image"])
    image = wanted if "/" in wanted or ":" in wanted else f"{repository_of(old)}:{wanted}"
    if repository_of(image) != repository_of(old):
        raise RefusedError(
            f"{image} is not an image of {repository_of(old)}, which container {first['name']} "
            f"of {live} runs.",
            "Name a tag or an image of the same repository.",
        )
    if image == old:
        return None
    for container in [
        *(template["spec"].get("initContainers") or []),
        *template["spec"]["containers"],
    ]:
        if container["image"] == old:  # often a migration in the same image
            container["image"] = image
    release = image_tag(image)
    if version_label in labels_of(template):
        template["metadata"]["labels"][version_label] = release
    return Destination(
        option=Option(
            candidate=Candidate(release=release, detail=f"image {image}, no revision has it"),
            aliases=frozenset({image, wanted}),
        ),
        template=template,
        annotations=_annotations(live, live.workload),
        revision=None,
        container=str(first["name"]),
        image=image,
    )


def repository_of(image: str) -> str:
    """An image reference without its tag and digest."""
    name = image.partition("@")[0]
    slash = name.rfind("/")
    return name[: name.find(":", slash + 1)] if ":" in name[slash + 1 :] else name


def _annotations(live: LiveWorkload, manifest: Manifest) -> dict[str, str] | None:
    return portable_annotations(manifest) if kind_of(live.workload) == "Deployment" else None
