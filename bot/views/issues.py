"""Corrective actions as issues: title and Markdown, and the mark by which one is found again."""

from __future__ import annotations

from bot.domain.events import CorrectiveAction
from bot.domain.incident import Incident
from bot.views import markdown
from bot.views.links import channel_link
from bot.views.markup import clip, one_line

TITLE = 200
"""Characters; GitHub takes 256."""


def marker(identity: str) -> str:
    """A comment that readers do not see."""
    return f"<!-- rollback-bot action {identity} -->"


def issue_title(action: CorrectiveAction) -> str:
    """What is to be done."""
    return clip(one_line(action.text), TITLE)


def issue_body(incident: Incident, action: CorrectiveAction, mark: str) -> str:
    """Where it comes from, who does it and by when."""
    declared = incident.declared
    release = f"{declared.service} {incident.bad_release}"
    due = f"{action.due:%Y-%m-%d}" if action.due else "no day named"
    link = channel_link(incident)
    told = [
        f"**Action:** {_text(action.text)}",
        f"**Owner:** {_text(action.owner or 'nobody yet')}",
        f"**Due:** {due}",
        f"**From:** the rollback of {_text(release)}, incident {incident.id}",
        *([f"**Incident channel:** {link}"] if link else []),
        f"**Root cause:** {_text(incident.conclusion.root_cause if incident.conclusion else '')}",
        "The bot asks after it in the incident's channel until this issue is closed.",
    ]
    return "\n\n".join([*told, mark]) + "\n"


def _text(text: str) -> str:
    """Somebody's words; a name behind an @ would notify a stranger who bears it on GitHub."""
    return markdown.cell(text).replace("@", "@\u200b")
