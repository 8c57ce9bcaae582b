"""The four cards of an incident, each updated in place."""

from __future__ import annotations

from bot.views.plan_card import plan_card
from bot.views.progress_card import progress_card
from bot.views.recovery_card import recovery_card
from bot.views.status_card import status_card

__all__ = ["plan_card", "progress_card", "recovery_card", "status_card"]
