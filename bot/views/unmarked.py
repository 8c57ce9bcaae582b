"""Finished mrkdwn for readers who are not in Slack."""

from __future__ import annotations

import re

from bot.domain.incident import Incident
from bot.domain.values import Actor
from bot.views.text_surfaces import Written

_MENTION = re.compile(r"<@([UW][A-Z0-9]+)>")
_CHANNEL = re.compile(r"<#([CG][A-Z0-9]+)>")
_DATE = re.compile(r"<!date\^\d+\^[^|>]*\|([^>]*)>")
_BOLD = re.compile(r"\*([^*\n]+)\*")


def unmarked(value: object, names: dict[str, str]) -> object:
    """Finished mrkdwn as plain text; anything else as it is."""
    if isinstance(value, list):
        return [unmarked(item, names) for item in value]
    if not isinstance(value, Written):
        return value
    text = _MENTION.sub(lambda found: names.get(found[1], found[1]), str(value))
    text = _CHANNEL.sub(lambda found: f"#{names.get(found[1], found[1])}", text)
    text = _DATE.sub(r"\1", text)
    text = _BOLD.sub(r"\1", text).replace("`", "")
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def names_in(incident: Incident) -> dict[str, str]:
    """Everybody and every channel that a message may mention."""
    people: list[Actor] = [incident.declared.by]
    people += [person for role in incident.team or () for person in role.people]
    people += [who for who in (incident.resolved_by, incident.paused_by, incident.abort_by) if who]
    people += [approval.by for approval in incident.approvals]
    found = {person.id: person.name for person in people}
    if incident.channel is not None:
        found[incident.channel.channel_id] = incident.channel.channel_name
    return found
