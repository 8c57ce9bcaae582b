"""Links into Slack, for texts that are read outside of it."""

from __future__ import annotations

from bot.domain.incident import Incident


def channel_link(incident: Incident) -> str:
    """Leads to the incident's channel in whatever workspace the reader is signed in to.

    Empty for an incident at a terminal.
    """
    if incident.channel is None:
        return ""
    return f"https://slack.com/app_redirect?channel={incident.channel.channel_id}"
