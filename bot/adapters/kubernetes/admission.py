"""Refusals by a cluster's own rules: policies, webhooks, quotas.

None of them is a missing right, and who can help is not who grants rights.
"""

from __future__ import annotations

from bot.adapters.kubernetes.calls import Call
from bot.errors import DryRunUnknownError, PermanentError, RollbackBotError, TemporaryError

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
