"""The equivalent shell commands, ready to paste."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import Manifest


def kubectl(namespace: str, *arguments: str) -> str:
    """A kubectl call with every word quoted as the shell needs it."""
    return shlex.join(["kubectl", "-n", namespace, *arguments])


def aws_cli(region: str | None, *words: object) -> str:
    """A call of the AWS command line with every word quoted as the shell needs it."""
    where = ("--region", region) if region else ()
    return shlex.join(["aws", *where, *map(str, words)])


def json_patch(
    namespace: str,
    resource: str,
    name: str,
    operations: Sequence[Manifest],
    *,
    subresource: str = "",
) -> str:
    """``kubectl patch`` with a JSON Patch."""
    text = json.dumps(list(operations), separators=(",", ":"), sort_keys=True)
    part = [f"--subresource={subresource}"] if subresource else []
    return kubectl(namespace, "patch", resource, name, *part, "--type=json", "-p", text)


def for_each_pod(namespace: str, labels: str, port: int, path: str) -> str:
    """A loop that asks every selected pod for a path through the API server."""
    names = kubectl(
        namespace, "get", "pods", "-l", labels, "-o", "jsonpath={.items[*].metadata.name}"
    )
    raw = f"/api/v1/namespaces/{namespace}/pods/$pod:{port}/proxy/{path.lstrip('/')}"
    return f'for pod in $({names}); do kubectl get --raw "{raw}" && echo; done'


# Where a service is asked as its users ask it.


def version_url(service: ServiceEntry) -> str:
    """Where the release is told; empty when the catalog names no URL or no version path."""
    url, path = service.url, service.version_path
    return f"{str(url).rstrip('/')}/{path.lstrip('/')}" if url and path else ""
