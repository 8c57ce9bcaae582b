"""All messages that are posted once and never changed."""

from __future__ import annotations

from bot.views.announcements import (
    announcement,
    escalated,
    stakeholder_announcement,
    team_assembled,
)
from bot.views.outcomes import completion_post, report_comment, report_missing, resolved_post
from bot.views.updates import update_post
from bot.views.watching import came_back, still_fine, worsened

__all__ = [
    "announcement",
    "came_back",
    "completion_post",
    "escalated",
    "report_comment",
    "report_missing",
    "resolved_post",
    "stakeholder_announcement",
    "still_fine",
    "team_assembled",
    "update_post",
    "worsened",
]
