"""Who may do what: a simple form of RBAC, and the reviews that answer for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.cluster.base.errors import ApiError
from sandbox.cluster.base.types import Manifest

ANY = ("*",)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Allows verbs on resources; `*` means any. A subresource is written `deployments/scale`.

    `namespaces` and `names` restrict; a cluster-wide request needs `*` among the namespaces.
    """

    verbs: tuple[str, ...] = ANY
    groups: tuple[str, ...] = ANY
    resources: tuple[str, ...] = ANY
    namespaces: tuple[str, ...] = ANY
    names: tuple[str, ...] = ANY

    def allows(self, wanted: Attributes) -> bool:
        """Whether this rule covers the request."""
        return (
            _covers(self.verbs, wanted.verb)
            and _covers(self.groups, wanted.group)
            and (
                _covers(self.resources, wanted.path) or f"*/{wanted.subresource}" in self.resources
            )
            and _covers(self.namespaces, wanted.namespace)
            and _covers(self.names, wanted.name)
        )


def _covers(allowed: Iterable[str], value: str) -> bool:
    return "*" in allowed or value in allowed


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What a request wants to do, as the authorizer sees it."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def path(self) -> str:
        """`deployments` or `deployments/scale`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, kw_only=True)
class User:
    """Someone who presents a token. No rules: may only look at what is served."""

    name: str
    rules: tuple[Rule, ...] = ()
    groups: tuple[str, ...] = ("system:authenticated",)

    def may(self, wanted: Attributes) -> bool:
        """Whether any rule allows it."""
        return any(rule.allows(wanted) for rule in self.rules)


ADMIN_RULES = (Rule(),)
ANONYMOUS = User(name="system:anonymous", groups=("system:unauthenticated",))


def unauthorized() -> ApiError:
    """401: the token is unknown."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(user: User, wanted: Attributes) -> ApiError:
    """403 in the words of the RBAC authorizer."""
    qualified = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
    named = f'{qualified} "{wanted.name}"' if wanted.name else qualified
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    details: Manifest = {"name": wanted.name} if wanted.name else {}
    if wanted.group:
        details["group"] = wanted.group
    details["kind"] = wanted.resource
    return ApiError(
        403,
        "Forbidden",
        f'{named} is forbidden: User "{user.name}" cannot {wanted.verb} resource "{wanted.path}" '
        f'in API group "{wanted.group}" {where}',
        details,
    )


def review_access(user: User, review: Manifest) -> Manifest:
    """The status of a SelfSubjectAccessReview."""
    spec = review.get("spec") or {}
    if "nonResourceAttributes" in spec:
        return {"allowed": True}
    wanted = spec.get("resourceAttributes") or {}
    allowed = user.may(
        Attributes(
            verb=wanted.get("verb") or "*",
            group=wanted.get("group") or "",
            resource=wanted.get("resource") or "*",
            subresource=wanted.get("subresource") or "",
            namespace=wanted.get("namespace") or "",
            name=wanted.get("name") or "",
        )
    )
    return {"allowed": True, "reason": "RBAC: allowed by rule"} if allowed else {"allowed": False}


def review_rules(user: User, review: Manifest) -> Manifest:
    """The status of a SelfSubjectRulesReview: what the user may do in the namespace."""
    namespace = (review.get("spec") or {}).get("namespace", "")
    rules = [
        {
            "verbs": list(rule.verbs),
            "apiGroups": list(rule.groups),
            "resources": list(rule.resources),
            **({} if rule.names == ANY else {"resourceNames": list(rule.names)}),
        }
        for rule in user.rules
        if _covers(rule.namespaces, namespace)
    ]
    return {
        "resourceRules": rules,
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/api", "/api/*", "/version"]}],
        "incomplete": False,
    }
