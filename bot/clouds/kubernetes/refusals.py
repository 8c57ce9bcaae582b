"""What the API server's refusals mean to the bot.

Reasons and wording: k8s.io/apimachinery ``pkg/api/errors``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bot.core.errors import (
    DryRunUnknownError,
    FieldsOwnedError,
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
    WorldMovedError,
)
from bot.core.values import Value

# A call to the API server, in the words of a right.


class Call(Value):
    """What was asked of the API server, in the words of a right."""

    verb: str
    resource: str
    """``deployments.apps``, ``pods/proxy``."""
    namespace: str
    name: str = ""
    writes: bool = False
    """The call changes what is stored, so that a lost answer leaves its outcome open."""

    def __str__(self) -> str:
        named = f" {self.name}" if self.name else ""
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{named}{where}"


# Refusals by a cluster's own rules: policies, webhooks, quotas.
#
# None of them is a missing right, and who can help is not who grants rights.

_DEAD_WEBHOOK = "failed calling webhook"
"""apiserver ``pkg/admission/plugin/webhook/dispatcher.go`` and its callers."""
_NO_DRY_RUN = "does not support dry run"
_DENIED = ("denied the request", "denied request")
"""Webhooks (``pkg/admission/plugin/webhook/errors``) and ValidatingAdmissionPolicies."""


def admission_refusal(call: Call, code: int, message: str) -> RollbackBotError | None:
    """What admission has against the change; None when it is something else that refuses."""
    if call.verb not in {"patch", "delete"}:
        return None  # reading passes no admission
    if code == 500 and _DEAD_WEBHOOK in message:
        # Admission comes before storage: nothing was changed.
        return TemporaryError(
            "A webhook that has a say in this change does not answer, so the API server does not "
            f"{call}: {message}.",
            "Mend the webhook, or have its administrator let changes pass without it "
            "(failurePolicy: Ignore).",
        )
    if code == 400 and _NO_DRY_RUN in message:
        return DryRunUnknownError(
            "A webhook of the cluster takes no dry runs, so whether it lets the change pass is not "
            f"known: {message} ({call})."
        )
    if any(word in message for word in _DENIED) or (code == 403 and not _is_right(call, message)):
        return PermanentError(
            f"A rule of the cluster is against it ({call}): {message}.",
            "No right of the bot is missing: turn to whoever keeps the policy, webhook or quota "
            "that is named.",
        )
    return None


def _is_right(call: Call, message: str) -> bool:
    """The authorizer says: User "…" cannot patch resource "…"
    (apiserver ``pkg/endpoints/handlers/responsewriters/errors.go``)."""
    return f"cannot {call.verb}" in message


_NOT_TYPED = "failed to create typed patch object"
"""An unknown field of a server-side apply; strangely an error 500 (managedfields
``internal/typeconverter.go``), yet nothing that passes."""
_NOT_APPLICABLE = "the server rejected our request due to an error in our request"
"""The whole message of a 422 for a JSON Patch that does not apply, a failed ``test`` included
(apiserver ``handlers/patch.go``, ``NewGenericServerResponse``)."""

_CONFLICT = re.compile(r'conflict with "([^"]+)"')
"""How server-side apply names a manager (structured-merge-diff ``merge/conflict.go``)."""


class ExpiredError(PermanentError):
    """The resource version is older than what the API server remembers: list again."""


def lost(call: Call, why: str) -> TemporaryError:
    """The API server did not answer."""
    if call.writes:
        return OutcomeUnknownError(
            f"The API server gave no answer to “{call}” ({why}); it may have been carried out.",
            "Look at the live object before repeating it.",
        )
    return TemporaryError(
        f"The Kubernetes API server does not answer ({call}: {why}).",
        "Check the connection to the cluster; the bot tries again.",
    )


def status_of(body: str) -> dict[str, Any] | None:
    """The body as a Kubernetes ``Status``, if it is one."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return None
    if isinstance(parsed, dict) and parsed.get("kind") == "Status":
        return parsed
    return None


def refusal(call: Call, code: int, headers: Mapping[str, str], body: str) -> RollbackBotError:
    """The error for an answer of 400 and above."""
    status = status_of(body) or {}
    message = str(status.get("message") or body.strip()[:300] or f"HTTP {code}")
    if against := admission_refusal(call, code, message):
        return against
    if _NOT_TYPED in message:
        return PermanentError(
            f"The manifest is not as the API server knows such objects ({call}): {message}.",
            "Correct the field that is named in the manifest.",
        )
    if code in {408, 429} or code >= 500:
        return _overloaded(call, code, message, retry_after(headers, status))
    if call.verb == "patch" and (owners := _other_managers(status)):
        return FieldsOwnedError(
            f"Fields that would be applied belong to {', '.join(owners)} ({call}: {message}).",
            managers=tuple(owners),
        )
    if (call.verb in {"patch", "delete"} and code == 409) or (
        call.verb == "patch" and code == 422 and _does_not_apply(status)
    ):
        return WorldMovedError(
            f"The object is no longer as it was decided upon: {message} ({call})."
        )
    return _final(call, code, message, status)


def _final(call: Call, code: int, message: str, status: Mapping[str, Any]) -> PermanentError:
    match code:
        case 401:
            return PermanentError(
                "The Kubernetes API server does not accept the bot's credentials.",
                "Log in again or renew the token of the kubeconfig or service account.",
            )
        case 403:
            return ForbiddenError(
                f"The bot may not {call}: {message}.",
                f"Grant “{call.verb}” on “{call.resource}” as deploy/rbac.yaml does.",
            )
        case 404:
            return _not_found(call, message, status)
        case 410:
            return ExpiredError(f"The API server remembers less far back: {message} ({call}).")
    return PermanentError(f"The Kubernetes API server refused to {call}: {message}.")


def _not_found(call: Call, message: str, status: Mapping[str, Any]) -> NotFoundError:
    """An object that is not there, or a kind that this cluster does not have at all.

    Only for an object are there ``details`` with its name.
    """
    if (status.get("details") or {}).get("name"):
        return NotFoundError(
            f"Not found: {message} ({call}).",
            "Correct its name in rollback.yml, or look who deleted it.",
        )
    return NotFoundError(
        f"Not found: this cluster has no {call.resource} ({call}: {message}).",
        "Correct rollback.yml, or install what defines them in a version that the bot knows.",
    )


def _overloaded(call: Call, code: int, message: str, wait: float | None) -> TemporaryError:
    if call.writes and code != 429:
        # The API server may have failed after it stored the change.
        return lost(call, message)
    return TemporaryError(
        f"The Kubernetes API server cannot answer now: {message} ({call}).",
        "The bot tries again.",
        retry_after=wait,
    )


def _does_not_apply(status: Mapping[str, Any]) -> bool:
    """Whether a 422 speaks of the patch itself and not of the patched object's validity.

    Validation names the object and the fields in ``details``; a patch that does not apply has
    the generic message and empty details. Our patches begin with a ``test``, so one that does
    not apply found another object than the one it was made for.
    """
    message = str(status.get("message") or "")
    details = status.get("details") or {}
    if details.get("causes") or details.get("kind"):
        return False
    return _NOT_APPLICABLE in message or "testing" in message or not message


def _other_managers(status: Mapping[str, Any]) -> list[str]:
    """Who owns the contested fields of a server-side apply, in order of their names."""
    causes = (status.get("details") or {}).get("causes") or []
    messages = [
        str(cause.get("message"))
        for cause in causes
        if cause.get("reason") == "FieldManagerConflict"
    ]
    return sorted({found.group(1) for text in messages if (found := _CONFLICT.search(text))})


def retry_after(headers: Mapping[str, str], status: Mapping[str, Any]) -> float | None:
    """Seconds that the API server asked to wait: its header, else the Status details."""
    for stated in (
        headers.get("Retry-After"),
        (status.get("details") or {}).get("retryAfterSeconds"),
    ):
        try:
            if stated is not None:
                return float(stated)
        except ValueError:
            continue
    return None
