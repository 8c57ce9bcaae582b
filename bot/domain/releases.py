"""Releases as people name them, and where a workload or an answer tells one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.domain.workloads import labels_of


def image_tag(image: str) -> str:
    """The version in an image reference: its tag, else the short digest, else ``latest``."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return tag or digest[:19] or "latest"


def release_of(pod_or_template: Mapping[str, Any], version_label: str) -> str:
    """The release as people name it: the version label, else the first container's image tag."""
    label = labels_of(pod_or_template).get(version_label)
    if label:
        return label
    containers = (pod_or_template.get("spec") or {}).get("containers") or [{}]
    return image_tag(str(containers[0].get("image") or ""))


def reports_release(text: str, release: str) -> bool:
    """Whether the answer of a version endpoint names exactly this release.

    A JSON object is read by its ``version``, ``release`` or ``tag``; any other text must name
    the release as a word. ``v2.0.0`` and ``2.0.0`` are the same release.
    """
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict):
        stated = [str(parsed[key]) for key in ("version", "release", "tag") if key in parsed]
    elif isinstance(parsed, str):
        stated = [parsed]
    else:
        stated = text.replace(",", " ").replace('"', " ").split()
    return _plain(release) in {_plain(word) for word in stated}


def same_release(one: str, other: str) -> bool:
    """Whether two names mean the same release: ``v2.0.0`` and ``2.0.0`` do."""
    return _plain(one) == _plain(other)


def _plain(release: str) -> str:
    text = release.strip()
    return text[1:] if text[:1] == "v" and text[1:2].isdigit() else text
