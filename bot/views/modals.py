"""All modals."""

from __future__ import annotations

from bot.views.assessment_modals import assessment_form, assessment_loading
from bot.views.decision_modals import decision_form, monitor_view
from bot.views.external_modals import edit_external_form
from bot.views.incident_modals import (
    confirm_form,
    message_view,
    reject_form,
    replan_form,
    words_form,
)
from bot.views.resolve_modal import resolve_form

__all__ = [
    "assessment_form",
    "assessment_loading",
    "confirm_form",
    "decision_form",
    "edit_external_form",
    "message_view",
    "monitor_view",
    "reject_form",
    "replan_form",
    "resolve_form",
    "words_form",
]
