"""The reviews a user asks about itself; they are answered and never stored."""

from __future__ import annotations

from aiohttp import web

from sandbox.cluster.base.calls import read_body
from sandbox.cluster.base.discovery import REVIEWS
from sandbox.cluster.base.errors import ApiError, bad_request
from sandbox.cluster.base.rbac import User, review_access, review_rules
from sandbox.cluster.base.rendering import document
from sandbox.cluster.base.requests import RequestInfo
from sandbox.cluster.base.types import Manifest


def is_review(info: RequestInfo) -> bool:
    """Whether the request is for one of the self-subject reviews."""
    return (info.gvr.group, info.gvr.resource) in REVIEWS


def answer(user: User, info: RequestInfo, body: bytes, content_type: str) -> web.Response:
    """The review with its status; every authenticated user may ask."""
    if info.verb != "create":
        raise ApiError(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    review = read_body(body, content_type)
    if not isinstance(review, dict):
        raise bad_request("the object provided is unrecognized: it must be a JSON object")
    kind = REVIEWS[info.gvr.group, info.gvr.resource]
    statuses: dict[str, Manifest] = {
        "SelfSubjectAccessReview": review_access(user, review),
        "SelfSubjectRulesReview": review_rules(user, review),
        "SelfSubjectReview": {
            "userInfo": {"username": user.name, "groups": list(user.groups)},
        },
    }
    reply = {
        "kind": kind,
        "apiVersion": info.gvr.api_version,
        "metadata": {"creationTimestamp": None},
        "spec": review.get("spec") or {},
        "status": statuses[kind],
    }
    if kind == "SelfSubjectReview":
        del reply["spec"]
    return document(reply, status=201)
