"""Whether the bot has a right: the API server's own answer."""

from __future__ import annotations

from bot.adapters.kubernetes.addresses import group_of, parsed
from bot.adapters.kubernetes.api import Api
from bot.adapters.kubernetes.calls import Call
from bot.adapters.kubernetes.retries import retried
from bot.errors import ForbiddenError
from bot.ports.cluster import Kind

_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_CALL = Call(verb="create", resource="selfsubjectaccessreviews.authorization.k8s.io", namespace="")


async def ask_for_right(api: Api, verb: str, kind: Kind, namespace: str, *, name: str) -> bool:
    """Whether the bot may do this (SelfSubjectAccessReview); an empty name is any object.

    Raises ForbiddenError where it may not even ask.
    """
    resource, _, subresource = kind.plural.partition("/")
    attributes = {
        "verb": verb,
        "group": group_of(kind),
        "resource": resource,
        "subresource": subresource,
        "namespace": namespace,
        "name": name,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {k: v for k, v in attributes.items() if v}},
    }
    try:
        text = await retried(lambda: api.succeed(_CALL, "POST", _PATH, body=review))
    except ForbiddenError as error:
        raise ForbiddenError(
            "The bot may not ask which rights it has "
            "(create selfsubjectaccessreviews.authorization.k8s.io).",
            "Bind the ClusterRole system:basic-user to its account; clusters have that by default.",
        ) from error
    return bool(parsed(_CALL, text).get("status", {}).get("allowed"))
